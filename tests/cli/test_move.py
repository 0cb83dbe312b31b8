"""`jotgate migrate --to`: the installation lives elsewhere, and nobody notices but the operator."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jotgate import datadir
from jotgate.assemble import opened
from jotgate.core.model import Origin, TokenPair
from jotgate.flows import feed, login, logout, refresh
from jotgate.jose import jws
from jotgate.settings import Settings, load
from jotgate.store.sqlite import open_store
from tests.cli.terminal import ADA_PASSWORD, Terminal
from tests.servers.postgres import fresh_database

HOME = Origin("192.0.2.1", "Firefox")


def settings(terminal: Terminal, url: str | None = None) -> Settings:
    given = {"JOTGATE_DATA_DIR": str(terminal.data)}
    return load(given if url is None else given | {"JOTGATE_DATABASE_URL": url})


async def log_in(where: Settings) -> TokenPair:
    async with opened(where) as env:
        return await login.login(env, "email", "ada@example.com", password=ADA_PASSWORD, origin=HOME)


async def end_one(where: Settings) -> str:
    """Somebody logs out; the cursor of a guard that has heard of it."""
    pair = await log_in(where)
    async with opened(where) as env:
        await logout.logout(env, refresh_token=pair.refresh_token)
        return (await feed.page(env, None)).next


async def lives_on(where: Settings, pair: TokenPair, cursor: str) -> Any:
    """The tokens work, the guard goes on: what it would read next."""
    async with opened(where) as env:
        jws.verify(pair.access_token, env.keyring.current.public)
        assert await refresh.refresh(env, pair.refresh_token or "", origin=HOME)
        return await feed.page(env, cursor)


@pytest.mark.parametrize("back", [False, True])
def test_nobody_is_logged_out_and_guards_go_on(people: Terminal, tmp_path: Path, *, back: bool) -> None:
    pair = asyncio.run(log_in(settings(people)))
    cursor = asyncio.run(end_one(settings(people)))
    url = fresh_database()

    moved = {row["table"]: row["rows"] for row in people.json("migrate", "--to", url)}
    if back:
        there, url = url, f"sqlite:///{tmp_path}/back.db"
        assert people.json("migrate", "--to", url, env={"JOTGATE_DATABASE_URL": there})

    assert (moved["users"], moved["sessions"], moved["feed_entries"]) == (2, 2, 1)
    page = asyncio.run(lives_on(settings(people, url), pair, cursor))
    assert (page.reset, page.entries, page.next) == (False, (), cursor)


def test_the_operator_is_told_what_is_next(people: Terminal) -> None:
    said = people.done("migrate", "--to", fresh_database())

    assert "JOTGATE_DATABASE_URL" in said
    assert str(people.data / datadir.MASTER) in said


def test_the_old_database_is_refused_by_every_command(people: Terminal) -> None:
    url = fresh_database()
    people.done("migrate", "--to", url)

    for command in (("user", "list"), ("migrate",), ("migrate", "--to", fresh_database())):
        assert "was moved to postgresql://" in people.failed(*command)
    assert "was moved to" in people.run("doctor").stdout


def test_a_password_in_the_url_is_not_written_down(people: Terminal) -> None:
    url = fresh_database().replace("postgres@", "postgres:t0p-secret@")
    people.done("migrate", "--to", url)

    assert "t0p-secret" not in people.failed("user", "list")
    assert b"t0p-secret" not in (people.data / "jotgate.db").read_bytes()


def test_while_anybody_has_it_open_nothing_moves(people: Terminal) -> None:
    store = open_store(people.data / "jotgate.db")

    assert "in use: stop the server" in people.failed("migrate", "--to", fresh_database())

    asyncio.run(store.close())
    assert len(people.json("user", "list")) == 2


def test_while_a_node_has_postgresql_open_nothing_moves(people: Terminal, tmp_path: Path) -> None:
    url = fresh_database()
    people.done("migrate", "--to", url)

    async def beside_a_node() -> str:
        async with opened(settings(people, url)):
            return await asyncio.to_thread(
                people.failed, "migrate", "--to", f"sqlite:///{tmp_path}/back.db", env={"JOTGATE_DATABASE_URL": url}
            )

    assert "stop all its nodes first" in asyncio.run(beside_a_node())


def test_a_move_that_was_cut_short_before_the_mark_is_finished(people: Terminal) -> None:
    url = fresh_database()
    before = (people.data / "jotgate.db").read_bytes()
    people.done("migrate", "--to", url)
    (people.data / "jotgate.db").write_bytes(before)

    assert people.json("migrate", "--to", url) == []

    assert "was moved to" in people.failed("user", "list")
    assert len(people.json("user", "list", env={"JOTGATE_DATABASE_URL": url})) == 2


def test_two_that_have_gone_different_ways_are_not_put_together(people: Terminal) -> None:
    url = fresh_database()
    before = (people.data / "jotgate.db").read_bytes()
    people.done("migrate", "--to", url)
    (people.data / "jotgate.db").write_bytes(before)
    people.done("user", "disable", "bob", env={"JOTGATE_DATABASE_URL": url})

    assert "this installation already" in people.failed("migrate", "--to", url)
    assert len(people.json("user", "list")) == 2


def test_another_installation_is_not_written_over(people: Terminal, tmp_path: Path) -> None:
    url = fresh_database()
    env = {"JOTGATE_DATABASE_URL": url, "JOTGATE_DATA_DIR": str(tmp_path / "other")}
    people.done("user", "add", "--username", "eve", "--generate-password", env=env)

    assert "another installation" in people.failed("migrate", "--to", url)
    assert [user["username"] for user in people.json("user", "list", env=env)] == ["eve"]


@pytest.mark.parametrize("url", ["mysql://db/jotgate", "jotgate.db", "sqlite:///"])
def test_where_to_is_a_database(people: Terminal, url: str) -> None:
    assert "--to" in people.failed("migrate", "--to", url, code=2)


def test_it_moves_to_another_place(people: Terminal) -> None:
    for url in (f"sqlite:///{people.data / 'jotgate.db'}", "sqlite:///:memory:"):
        assert "another database" in people.failed("migrate", "--to", url)


def test_there_must_be_something_to_move(terminal: Terminal) -> None:
    assert "There is no database" in terminal.failed("migrate", "--to", fresh_database())


def test_an_older_database_is_brought_up_to_date_first(people: Terminal) -> None:
    store = open_store(people.data / "jotgate.db")
    asyncio.run(forget_the_last_step(store))

    assert "run `jotgate migrate` first" in people.failed("migrate", "--to", fresh_database())


async def forget_the_last_step(store: Any) -> None:
    await store.swap().run("delete from jotgate_migrations where number = (select max(number) from jotgate_migrations)")
    await store.close()


def test_the_master_secret_must_be_its_own(people: Terminal) -> None:
    (people.data / datadir.MASTER).unlink()
    url = fresh_database()

    assert "master.secret is missing" in people.failed("migrate", "--to", url)
    other = {"JOTGATE_SECRET": "tr0ub4dor-and-three-more-things-98765"}
    assert "does not open this database" in people.failed("migrate", "--to", url, env=other)

    assert not (people.data / datadir.MASTER).exists()


def test_an_unreachable_target_changes_nothing(people: Terminal) -> None:
    assert "PostgreSQL cannot be used" in people.failed("migrate", "--to", "postgresql://127.0.0.1:9/nothing")

    assert len(people.json("user", "list")) == 2


def test_what_cannot_be_kept_whole_is_not_kept(people: Terminal, tmp_path: Path) -> None:
    target = tmp_path / "new.db"
    people.done("migrate", env={"JOTGATE_DATABASE_URL": f"sqlite:///{target}"})
    store = open_store(target)
    asyncio.run(lose_users(store))

    assert "differs" in people.failed("migrate", "--to", f"sqlite:///{target}")
    assert len(people.json("user", "list")) == 2


async def lose_users(store: Any) -> None:
    await store.swap().run("create trigger thief after insert on users begin delete from users where id = new.id; end")
    await store.close()
