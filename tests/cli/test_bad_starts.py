"""What is wrong before the first request is told in one sentence, without a traceback, and nothing is lost."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from jotgate import datadir

OTHER_SECRET = "tr0ub4dor-and-three-more-things-98765"
# root is allowed everything, unless it gives these up
OBEDIENT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
NOBODY = 65534


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that has been in use."""
    directory = tmp_path / "data"
    made = subprocess.run(
        [sys.executable, "-m", "jotgate", "user", "add", "--email", "a@example.com", "--generate-password"],
        env=environment(directory),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return directory


def environment(directory: Path, **settings: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JOTGATE_")}
    chosen = {f"JOTGATE_{name}": value for name, value in {"DATA_DIR": str(directory), "PORT": "0", **settings}.items()}
    return clean | chosen


def refused(directory: Path, *, code: int = 1, wrap: list[str] | None = None, **settings: str) -> str:
    """What a start says that fails."""
    done = subprocess.run(
        [*(wrap or []), sys.executable, "-m", "jotgate", "serve"],
        env=environment(directory, **settings),
        cwd=directory.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("jotgate: ")
    return done.stderr


def works(directory: Path) -> None:
    """Nothing was lost: the user is still there."""
    shown = subprocess.run(
        [sys.executable, "-m", "jotgate", "user", "show", "a@example.com"],
        env=environment(directory), cwd=directory.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr


def test_all_wrong_settings_at_once(tmp_path: Path) -> None:
    told = refused(tmp_path / "data", code=2, ALGORITHM="none", PROFIL="camel", WORKERS="0", REDIS_URL="cache")

    assert len(told.splitlines()) == 1 + 4
    assert not (tmp_path / "data").exists()


def test_a_port_in_use(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = refused(data, PORT=str(taken.getsockname()[1]))

    assert "is in use by another program" in told
    works(data)


@pytest.mark.parametrize("host", ["192.0.2.77", "no-such-host.invalid"])
def test_an_address_of_somebody_else(data: Path, host: str) -> None:
    assert "is no address of this machine" in refused(data, HOST=host, ISSUER="https://auth.example.com")


def test_a_database_that_is_none(data: Path) -> None:
    database = data / "jotgate.db"
    for file in data.glob("jotgate.db-*"):
        file.unlink()
    database.write_bytes(b"this is no database, and it is long enough to be looked at. " * 100)

    told = refused(data)

    assert "jotgate.db" in told
    assert database.read_bytes().startswith(b"this is no database")


def test_a_database_of_a_newer_jotgate(data: Path) -> None:
    with closing(sqlite3.connect(data / "jotgate.db")) as connection, connection:
        connection.execute("insert into jotgate_migrations (number, name, applied_at) values (9999, 'future', 1)")

    assert "newer jotgate" in refused(data)

    with closing(sqlite3.connect(data / "jotgate.db")) as connection, connection:
        connection.execute("delete from jotgate_migrations where number = 9999")
    works(data)


def test_a_master_secret_that_does_not_fit(data: Path) -> None:
    assert "master secret does not open" in refused(data, SECRET=OTHER_SECRET)
    works(data)


def test_a_master_secret_that_is_missing(data: Path) -> None:
    (data / datadir.MASTER).rename(data.parent / "kept")

    told = refused(data)

    assert "master.secret is missing" in told
    assert not (data / datadir.MASTER).exists()
    (data.parent / "kept").rename(data / datadir.MASTER)
    works(data)


@pytest.mark.parametrize(("content", "complaint"), [(b"", "holds no secret"), (b"short\n", "holds no secret")])
def test_a_master_secret_that_is_none(data: Path, content: bytes, complaint: str) -> None:
    (data / datadir.MASTER).write_bytes(content)

    assert complaint in refused(data)


def test_a_master_secret_that_others_can_read(data: Path) -> None:
    (data / datadir.MASTER).chmod(0o644)

    assert "chmod 600" in refused(data)


def test_a_data_directory_that_others_can_enter(data: Path) -> None:
    data.chmod(0o755)

    assert "chmod 700" in refused(data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_data_directory_of_another_user(data: Path) -> None:
    os.chown(data, NOBODY, NOBODY)

    told = refused(data)

    assert f"belongs to another user (id {NOBODY}, we are 0)" in told
    os.chown(data, 0, 0)
    works(data)


@pytest.mark.skipif(bool(OBEDIENT) and shutil.which("setpriv") is None, reason="root obeys modes only under setpriv")
@pytest.mark.parametrize("where", ["data", "above"])
def test_a_data_directory_that_is_not_writable(data: Path, where: str) -> None:
    closed = data if where == "data" else data.parent
    directory = data if where == "data" else data.parent / "new"
    closed.chmod(0o500)

    told = refused(directory, wrap=OBEDIENT)

    closed.chmod(0o700)
    assert "is not writable" in told or "cannot be made" in told
    works(data)


@pytest.mark.skipif(bool(OBEDIENT) and shutil.which("setpriv") is None, reason="root obeys modes only under setpriv")
@pytest.mark.parametrize("file", ["jotgate.db", datadir.MASTER])
def test_a_file_that_cannot_be_read(data: Path, file: str) -> None:
    (data / file).chmod(0)

    told = refused(data, wrap=OBEDIENT)

    assert file in told
    (data / file).chmod(0o600)
    works(data)


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    assert "is not a directory" in refused(tmp_path / "data")


def test_a_config_file_that_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jotgate", "serve", "--config", str(tmp_path / "gone.toml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "gone.toml: cannot be read" in done.stderr


def test_the_demonstration_needs_tokens_in_answers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jotgate", "serve", "--demo"],
        env=environment(tmp_path / "data", TRANSPORT="cookie"), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "--demo" in done.stderr
