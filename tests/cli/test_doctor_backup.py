"""`jotgate doctor` and `jotgate backup`."""

import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from jotgate import datadir
from jotgate.cli import reach
from tests.cli.terminal import Terminal
from tests.live.process import free_port
from tests.servers import nats, valkey
from tests.servers.postgres import fresh_database


def findings(terminal: Terminal, *, code: int = 0) -> dict[str, tuple[str, str]]:
    result = terminal.run("doctor", "--json")
    assert result.exit_code == code, result.output
    return {item["check"]: (item["state"], item["finding"]) for item in msgspec.json.decode(result.stdout)}


def change(terminal: Terminal, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(terminal.data / "jotgate.db")) as connection, connection:
        assert connection.execute(sql, values).rowcount


def test_nothing_there_is_nothing_wrong_and_nothing_is_made(terminal: Terminal) -> None:
    assert findings(terminal)["data directory"][0] == "note"
    assert not terminal.data.exists()


def test_all_is_well(people: Terminal) -> None:
    found = findings(people)

    assert {state for state, _ in found.values()} == {"ok", "note"}
    assert found["administrator"][0] == "note"


def test_the_table_says_the_same(people: Terminal) -> None:
    assert "the master secret opens them" in people.done("doctor")


def test_an_administrator_is_found(people: Terminal) -> None:
    people.done("user", "role", "ada@example.com", "admin")

    assert findings(people)["administrator"] == ("ok", "there is one")


def test_every_complaint_about_settings(people: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_PORT", "eighty")
    monkeypatch.setenv("JOTGATE_PROFILE", "modern")

    result = people.run("doctor")

    assert result.exit_code == 1
    assert result.stdout.count("wrong") == 2


def test_an_open_data_directory(people: Terminal) -> None:
    people.data.chmod(0o755)

    assert "chmod 700" in findings(people, code=1)["data directory"][1]


def test_a_secret_that_does_not_fit(people: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_SECRET", "tr0ub4dor-and-three-more-things-98765")

    assert "does not open this database" in findings(people, code=1)["keys"][1]


def test_a_secret_that_is_missing_is_not_made_up(people: Terminal) -> None:
    (people.data / datadir.MASTER).unlink()

    assert "master.secret is missing" in findings(people, code=1)["keys"][1]
    assert not (people.data / datadir.MASTER).exists()


def test_a_missing_shared_secret_is_not_made_up(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_PROFILE", "classic")
    terminal.done("user", "list")
    (terminal.data / datadir.HS256).unlink()

    assert "hs256.secret is missing" in findings(terminal, code=1)["keys"][1]
    assert not (terminal.data / datadir.HS256).exists()


def test_a_damaged_database(people: Terminal) -> None:
    database = people.data / "jotgate.db"
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)

    assert "restore a backup" in findings(people, code=1)["database"][1]


def test_a_newer_database(people: Terminal) -> None:
    change(people, "insert into jotgate_migrations (number, name, applied_at) values (9999, 'future', 1)")

    assert "newer jotgate" in findings(people, code=1)["schema"][1]


def test_keys_that_are_late(people: Terminal) -> None:
    change(people, "update signing_keys set signing_at = 1, published_at = 1")

    assert "late" in findings(people, code=1)["key changes"][1]


@pytest.mark.parametrize(("ahead", "code"), [(60, 0), (3600, 1)])
def test_a_clock_that_is_behind(people: Terminal, ahead: int, code: int) -> None:
    change(people, "update signing_keys set created_at = ?", int(time.time()) + ahead)

    assert findings(people, code=code)["clock"][0] == ("wrong" if code else "ok")


def test_closings_that_nobody_announces(people: Terminal) -> None:
    change(people, "insert into feed_entries (kind, digest, epoch, until_at) values ('sid', x'00', null, 99999999999)")

    assert "closings wait" in findings(people, code=1)["feed"][1]


# --- PostgreSQL, Valkey, NATS

NOWHERE = f"postgresql://postgres@127.0.0.1:{free_port()}/jotgate"


@pytest.fixture
def shared(people: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The same people on PostgreSQL."""
    url = fresh_database()
    people.done("migrate", "--to", url)
    monkeypatch.setenv("JOTGATE_DATABASE_URL", url)
    return people


def test_postgresql_is_asked_how_it_is_set_up(shared: Terminal) -> None:
    found = findings(shared, code=1)  # for the tests' own server does not wait for the disk

    assert "fsync is off" in found["PostgreSQL"][1]
    assert found["isolation"] == ("ok", "read committed")
    assert found["database clock"][0] == "ok"
    assert "this node takes up to 10 of" in found["connections"][1]
    assert found["schema"][0] == found["keys"][0] == "ok"


def test_a_pool_that_is_larger_than_the_server(shared: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_DATABASE_POOL", "200")
    monkeypatch.setenv("JOTGATE_WORKERS", "8")
    assert "lower JOTGATE_DATABASE_POOL" in findings(shared, code=1)["connections"][1]

    monkeypatch.setenv("JOTGATE_DATABASE_PGBOUNCER", "on")
    assert findings(shared, code=1)["connections"][0] == "ok"


def test_what_is_odd_about_a_server_is_said(people: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    url = fresh_database(isolation="serializable")
    people.done("migrate", "--to", url)
    said = []
    for where in (f"{url}?synchronous_commit=off", f"{url}?default_transaction_read_only=on", NOWHERE):
        monkeypatch.setenv("JOTGATE_DATABASE_URL", where.replace("postgres@", "postgres:t0p-secret@"))
        said.append(findings(people, code=1))

    careless, standby, away = said
    assert "synchronous_commit is off" in careless["PostgreSQL"][1]
    assert careless["isolation"][0] == "note"
    assert "it only reads" in standby["PostgreSQL"][1]
    assert "PostgreSQL cannot be used" in away["database"][1]
    assert not any("t0p-secret" in finding for found in said for _, finding in found.values())


def test_an_empty_database_on_postgresql(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_DATABASE_URL", fresh_database())

    assert "jotgate migrate" in findings(terminal, code=1)["schema"][1]
    assert not terminal.data.exists()


def test_fast_ways_that_answer(people: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_REDIS_URL", valkey.server_url())
    monkeypatch.setenv("JOTGATE_NATS_URL", nats.server_url())

    found = findings(people)

    assert (found["Valkey"][0], found["NATS"][0]) == ("ok", "ok")


def test_fast_ways_that_do_not_answer(people: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_REDIS_URL", f"redis://:t0p-secret@127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("JOTGATE_NATS_URL", f"nats://jot:t0p-secret@127.0.0.1:{free_port()}")

    found = findings(people, code=1)

    assert "does not answer" in found["Valkey"][1]
    assert "does not answer" in found["NATS"][1]
    assert not any("t0p-secret" in finding for _, finding in found.values())


def test_a_clock_that_differs_from_the_database_s() -> None:
    assert [reach.clock(off).state for off in (0.1, -4.9, 5.1, -59, 61, -7200)] == [
        "ok", "ok", "note", "note", "wrong", "wrong",
    ]  # fmt: skip


# --- backup


def test_a_backup_of_postgresql_is_the_same_kind_of_file(shared: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"

    shared.done("backup", str(copy))
    before = int(time.time())

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "copy"))] == ["copy.db"]
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("delete",)
        assert connection.execute("select count(*) from users").fetchone() == (2,)
        (made,) = connection.execute("select backed_up_at from installation").fetchone()
    assert before - 60 <= made <= before
    assert "exists" in shared.failed("backup", str(copy))


def test_of_an_empty_database_on_postgresql_there_is_no_backup(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOTGATE_DATABASE_URL", fresh_database())

    assert "jotgate migrate" in terminal.failed("backup", str(tmp_path / "copy.db"))
    assert not [*tmp_path.glob("*copy*")]


def test_a_backup_is_a_whole_database_of_its_own(people: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"

    shown = people.done("backup", str(copy))

    assert "The master secret is not in it" in shown
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    secret = (people.data / datadir.MASTER).read_bytes().strip()
    assert secret not in copy.read_bytes()
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("select count(*) from users").fetchone() == (2,)


def test_a_backup_is_never_put_over_another(people: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("the only good copy")

    people.failed("backup", str(copy))

    assert copy.read_text() == "the only good copy"


def test_there_must_be_something_to_copy_and_somewhere_to_put_it(people: Terminal, tmp_path: Path) -> None:
    people.failed("backup", str(tmp_path / "nowhere" / "copy.db"))
    people.failed("backup", "--data-dir", str(tmp_path / "empty"), str(tmp_path / "copy.db"))


def test_a_database_in_memory_belongs_to_its_server(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_DATABASE_URL", "sqlite:///:memory:")

    for command in (("backup", "copy.db"), ("user", "list"), ("migrate",), ("doctor",)):
        assert "in the memory of its server" in terminal.failed(*command)


def test_a_backup_opens_under_the_same_secret(people: Terminal, tmp_path: Path) -> None:
    people.done("backup", str(tmp_path / "copy.db"))
    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    (tmp_path / "copy.db").rename(restored / "jotgate.db")
    (restored / datadir.MASTER).write_bytes((people.data / datadir.MASTER).read_bytes())
    (restored / datadir.MASTER).chmod(0o600)

    assert len(people.json("user", "list", "--data-dir", str(restored))) == 2
