"""`jotgate restore`: what it refuses, what it replaces and keeps aside, and what `jotgate doctor` says afterwards."""

import asyncio
import json
import resource
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from jotgate import datadir
from jotgate.store.copying import COPIED
from jotgate.store.migrate import steps
from jotgate.store.sqlite import open_store
from tests.cli.terminal import Terminal
from tests.servers.postgres import fresh_database


@pytest.fixture
def copy(people: Terminal, tmp_path: Path) -> Path:
    """A backup with Ada and Bob; after it Bob went and Eve came."""
    path = tmp_path / "copy.db"
    people.done("backup", str(path))
    people.done("user", "remove", "bob", "--yes")
    people.done("user", "add", "--username", "eve", "--generate-password")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Another database, which is not there yet or empty."""
    url = f"sqlite:///{tmp_path}/other.db" if request.param == "sqlite" else fresh_database()
    return {"JOTGATE_DATABASE_URL": url}


def names(terminal: Terminal, env: dict[str, str] | None = None) -> list[str]:
    return sorted(user["username"] or user["email"] for user in terminal.json("user", "list", env=env))


def test_a_backup_goes_into_an_empty_database_of_either_kind(
    people: Terminal, copy: Path, elsewhere: dict[str, str]
) -> None:
    done = people.json("restore", str(copy), env=elsewhere)

    assert names(people, elsewhere) == ["ada@example.com", "bob"]
    assert (done["sessions_closed"], len(done["keys_revoked"]), done["kept_aside"]) == (0, 2, None)
    assert len(people.json("key", "list", env=elsewhere)) == 2


def test_users_are_replaced_only_if_that_is_asked_for(people: Terminal, copy: Path, elsewhere: dict[str, str]) -> None:
    people.done("user", "add", "--username", "zoe", "--generate-password", env=elsewhere)

    assert "--replace" in people.failed("restore", str(copy), env=elsewhere)
    assert names(people, elsewhere) == ["zoe"]

    people.done("restore", str(copy), "--replace", env=elsewhere)
    assert names(people, elsewhere) == ["ada@example.com", "bob"]


def test_a_file_that_is_replaced_is_kept(people: Terminal, copy: Path) -> None:
    said = people.done("restore", str(copy), "--replace")

    (aside,) = people.data.glob("jotgate.db.replaced-*")
    assert str(aside) in said
    assert stat.S_IMODE((people.data / "jotgate.db").stat().st_mode) == 0o600
    assert names(people) == ["ada@example.com", "bob"]
    assert names(people, {"JOTGATE_DATABASE_URL": f"sqlite:///{aside}"}) == ["ada@example.com", "eve"]
    assert not [*people.data.glob(".*")]


def test_keys_of_the_replaced_database_are_revoked_too(people: Terminal, copy: Path) -> None:
    people.done("key", "rotate", "--at-once")
    before = {key["kid"] for key in people.json("key", "list")}

    done = people.json("restore", str(copy), "--replace")

    assert before <= {*done["keys_revoked"]}
    assert not before & {key["kid"] for key in people.json("key", "list")}


def test_the_risk_of_keeping_sessions_is_named(people: Terminal, copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(
            """insert into sessions select printf('%032x', 1), 1, number, id, 'jotgate', 'gym', null, 0, -1, x'00',
            1, 1, 99999999999, 99999999999, 'pwd', null, null, null, null from users limit 1"""
        )

    assert "is logged in again" in " ".join(people.done("restore", "--help").split())
    said = people.done("restore", str(copy), "--replace", "--keep-sessions")

    assert "1 sessions live on" in said
    assert "thrown out after that is logged in again" in " ".join(said.split())
    assert len(people.json("session", "list")) == 1


def test_while_anybody_has_the_database_open_nothing_is_replaced(people: Terminal, copy: Path) -> None:
    store = open_store(people.data / "jotgate.db")

    assert "in use: stop the server" in people.failed("restore", str(copy), "--replace")

    asyncio.run(store.close())
    assert names(people) == ["ada@example.com", "eve"]
    assert not [*people.data.glob(".*")]


def test_of_two_at_once_the_second_is_refused(people: Terminal, copy: Path) -> None:
    with datadir.alone(people.data):
        assert "wait for its end" in people.failed("restore", str(copy), "--replace")


def test_another_secret_is_said_first(people: Terminal, copy: Path) -> None:
    other = {"JOTGATE_SECRET": "tr0ub4dor-and-three-more-things-98765"}

    assert "does not open this database" in people.failed("restore", str(copy), env=other)
    assert names(people) == ["ada@example.com", "eve"]


def test_on_a_new_machine_the_secret_comes_first(people: Terminal, copy: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"

    assert "master.secret is missing" in people.failed("restore", str(copy), "--data-dir", str(new))
    assert not (new / datadir.MASTER).exists()

    shutil.copy(people.data / datadir.MASTER, new)
    people.done("restore", str(copy), "--data-dir", str(new))
    assert len(people.json("user", "list", "--data-dir", str(new))) == 2


def test_a_backup_from_before_the_secret_was_rotated(people: Terminal, copy: Path) -> None:
    people.done("secret", "rotate")

    people.done("restore", str(copy), "--replace")

    assert names(people) == ["ada@example.com", "bob"]


def test_what_is_no_backup(people: Terminal, tmp_path: Path) -> None:
    letter, foreign, damaged = tmp_path / "letter", tmp_path / "foreign.db", tmp_path / "damaged.db"
    letter.write_text("Dear Sir or Madam, " * 1000)
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("create table recipes (name text)")
    people.done("backup", str(damaged))
    with damaged.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 8192)

    assert "not a database" in people.failed("restore", str(letter))
    assert "not jotgate's" in people.failed("restore", str(foreign))
    assert "damaged" in people.failed("restore", str(damaged), "--replace")
    assert "the database itself" in people.failed("restore", str(people.data / "jotgate.db"), "--replace")
    people.failed("restore", str(tmp_path / "nothing"), code=2)
    assert names(people) == ["ada@example.com", "bob"]


def test_a_newer_backup_and_one_that_has_moved(people: Terminal, copy: Path) -> None:
    for name, complaint in (("future", "newer jotgate"), ("moved to postgresql://db", "was moved to")):
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute("insert or replace into jotgate_migrations values (999999, ?, 1)", (name,))

        assert complaint in people.failed("restore", str(copy), "--replace")


def test_an_older_backup_is_brought_up_to_date(people: Terminal, copy: Path) -> None:
    older = copy.with_name("older.db")
    with closing(sqlite3.connect(older, isolation_level=None)) as connection:
        connection.execute("attach ? as new", (str(copy),))
        connection.execute("create table jotgate_migrations as select * from new.jotgate_migrations where number <= 3")
        for statement in [statement for step in steps("sqlite")[:3] for statement in step.statements]:
            connection.execute(statement)
        for table in (*COPIED, "leases"):
            there, here = (
                [name for _, name, *_ in connection.execute(f"pragma {schema}.table_info({table})")]
                for schema in ("new", "main")
            )
            if both := ", ".join(name for name in here if name in there):
                connection.execute(f"delete from {table}")
                connection.execute(f"insert into {table} ({both}) select {both} from new.{table}")

    people.done("restore", str(older), "--replace")

    assert names(people) == ["ada@example.com", "bob"]


@pytest.mark.parametrize("damage", ["header", "pages"])
def test_a_damaged_database_is_replaced_if_that_is_asked_for(people: Terminal, copy: Path, damage: str) -> None:
    database = people.data / "jotgate.db"
    with database.open("r+b") as file:
        file.seek(0 if damage == "header" else 4096)
        file.write(b"\xff" * (4096 if damage == "header" else database.stat().st_size - 4096))

    assert "damaged: with --replace" in people.failed("restore", str(copy))
    people.done("restore", str(copy), "--replace")

    assert names(people) == ["ada@example.com", "bob"]
    assert [*people.data.glob("jotgate.db.replaced-*")]


def test_one_restore_after_the_other_keeps_what_each_replaced(people: Terminal, copy: Path) -> None:
    for _ in range(3):
        people.done("restore", str(copy), "--replace")

    assert len([*people.data.glob("jotgate.db.replaced-*")]) == 3


def test_without_space_nothing_changes(people: Terminal, copy: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        people.failed("restore", str(copy), "--replace")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert names(people) == ["ada@example.com", "eve"]
    assert not [*people.data.glob(".*")]


def test_a_draft_that_was_left_is_removed(people: Terminal, copy: Path) -> None:
    left = people.data / ".jotgate.db.0123abcd.restoring"
    left.write_text("half a database")

    people.done("restore", str(copy), "--replace")

    assert not left.exists()


def test_under_a_shared_secret_the_operator_has_something_to_do(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOTGATE_PROFILE", "classic")
    terminal.done("user", "add", "--username", "bob", "--generate-password")
    terminal.done("backup", str(tmp_path / "copy.db"))

    assert "set another HS256_SECRET" in terminal.done("restore", str(tmp_path / "copy.db"), "--replace")

    (terminal.data / datadir.HS256).unlink()
    assert "hs256.secret is missing" in terminal.failed("restore", str(tmp_path / "copy.db"), "--replace")
    assert not (terminal.data / datadir.HS256).exists()


# --- what the doctor says


def findings(terminal: Terminal, env: dict[str, str]) -> dict[str, str]:
    result = terminal.run("doctor", "--json", env=env)
    return {item["check"]: item["finding"] for item in json.loads(result.stdout)}


def test_the_doctor_says_what_was_rolled_back(people: Terminal, copy: Path, elsewhere: dict[str, str]) -> None:
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("update installation set backed_up_at = backed_up_at - 93784")
    done = people.json("restore", str(copy), env=elsewhere)

    found = findings(people, elsewhere)["restore"]

    assert "nothing is known here of the 1 d 2 h between" in found
    assert "0 closed, 0 kept" in found
    assert done["keys_revoked"][0] in found


def test_without_a_restore_the_doctor_says_nothing_of_one(people: Terminal, elsewhere: dict[str, str]) -> None:
    people.done("user", "list", env=elsewhere)

    assert "restore" not in findings(people, elsewhere)
