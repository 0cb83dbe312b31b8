"""A file for oneself alone: as long as anybody has it open, and as long as we have."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jotgate.errors import DatabaseUnusable, Unavailable
from jotgate.store.sqlite import open_store
from jotgate.store.standstill import alone, hold

OPEN = "import sys; from jotgate.store.sqlite import open_store; open_store(sys.argv[1], patience_seconds=0)"
STAY = f"{OPEN}; print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "jotgate.db"
    with closing(open_store(path).connection) as connection:
        connection.execute("create table facts (fact text)")
        connection.execute("insert into facts values ('kept')")
    return path


@pytest.fixture
def elsewhere(there: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has it open, and does nothing."""
    with subprocess.Popen([sys.executable, "-c", STAY, there], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        yield other
        other.kill()


def can_be_opened(path: Path) -> bool:
    """By another process."""
    return subprocess.run([sys.executable, "-c", OPEN, path], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("durable", [True, False])
def test_who_has_it_open_idly_has_it_open(there: Path, elsewhere: subprocess.Popen[bytes], *, durable: bool) -> None:
    with pytest.raises(Unavailable, match="in use: stop the server"):
        alone(there, durable=durable)
    with pytest.raises(Unavailable, match="in use"), hold(there):
        pass


def test_the_dead_have_nothing_open(there: Path, elsewhere: subprocess.Popen[bytes]) -> None:
    elsewhere.kill()
    elsewhere.wait()

    with closing(alone(there)) as connection:
        assert connection.execute("select fact from facts").fetchone() == ("kept",)


@pytest.mark.parametrize("durable", [True, False])
def test_nobody_can_open_it_meanwhile_and_afterwards_anybody(there: Path, *, durable: bool) -> None:
    with closing(alone(there, durable=durable)) as connection:
        assert not can_be_opened(there)
        connection.execute("insert into facts values ('later')")
        assert not can_be_opened(there)

    assert can_be_opened(there)
    with closing(open_store(there).connection) as connection:
        assert connection.execute("select count(*) from facts").fetchone() == (2,)


@pytest.mark.parametrize("durable", [True, False])
def test_nothing_is_left_beside_it(there: Path, *, durable: bool) -> None:
    alone(there, durable=durable).close()

    assert [path.name for path in there.parent.iterdir()] == [there.name]


def test_whatever_is_in_it_others_are_kept_out(there: Path) -> None:
    with hold(there):
        assert not can_be_opened(there)

    assert can_be_opened(there)


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 1000)

    with pytest.raises(DatabaseUnusable, match="not a database"):
        alone(path)
    with hold(path):
        pass


def test_a_new_file_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new.db"

    with closing(alone(path)) as connection:
        connection.execute("create table facts (fact text)")

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from facts").fetchone() == (0,)
    assert stat.S_ISREG(path.stat().st_mode)
