"""All of one database in another, from each dialect to each."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jotgate.errors import DatabaseUnusable
from jotgate.store import audit, copying, feed, keys, migrate, postgres, roles, sessions, setup, users
from jotgate.store.copying import COPIED, NOT_COPIED, Side
from jotgate.store.ports import Dialect, Store, Tx
from jotgate.store.sqlite import open_store
from jotgate.wire.feed import Entry
from tests.servers.postgres import fresh_database
from tests.store.conftest import STORES
from tests.store.rows import BOB, NOW, mac_key, put_session, put_user, session, signing_key, user

pytestmark = pytest.mark.anyio

MANY = 11_000  # two whole batches and a part of one
MANY_ROLES = """with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ?)
    insert into user_roles (user_id, role) select 'user ' || (n % 7), 'role ' || n from numbers"""
WAYS = [("file", "postgres"), ("postgres", "file"), ("serializable", "serializable"), ("memory", "file")]


async def opened(kind: str, folder: Path) -> Store:
    folder.mkdir()
    store = await STORES[kind](folder)
    await migrate.migrate(store, now=NOW, entropy=bytes)
    return store


@pytest.fixture(params=WAYS, ids=" to ".join)
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """A database with something in every table, and one with nothing."""
    old, new = [await opened(kind, tmp_path / name) for kind, name in zip(request.param, ("old", "new"), strict=True)]
    await furnish(old)
    yield old, new
    await old.close()
    await new.close()


async def furnish(store: Store) -> None:
    await put_user(store, user(), user(BOB, name="B\u00f6b \U0001f40a", email=None, disabled_at=NOW))
    await put_session(store, session(), session(f"{9:032x}", closed_at=NOW, closed_by="logout", address=None))

    async def rest(tx: Tx) -> None:
        for number in range(3):
            await feed.append(tx, [Entry("sid", bytes([number] * 16), None, NOW + number)])
            await audit.append(tx, f"event{number}", now=NOW, detail="\u00e9" * number)
        await keys.put_signing(tx, signing_key(revoked_at=NOW))
        await keys.put_mac(tx, mac_key())
        await keys.set_secret_check(tx, b"check")
        await setup.put(tx, b"digest", NOW)
        await tx.run("insert into throttle_counts (key, tat) values (?, ?)", b"network", NOW * 10**6)

    await store.write(rest)
    await store.write(feed.sequence)
    await store.write(lambda tx: feed.append(tx, [Entry("sub", bytes(16), NOW, NOW + 9)]))  # has no number yet


async def copy(old: Store, new: Store) -> dict[str, int]:
    return await old.upgrade(
        lambda source: new.upgrade(lambda target: copying.copy(Side(old.dialect, source), Side(new.dialect, target)))
    )


async def everything(store: Store) -> dict[str, object]:
    tx = store.read()
    return {
        "users": await users.page(tx),
        "roles": [await roles.permissions(tx, ("admin", "manager")), await roles.holders(tx, "manager")],
        "sessions": [await sessions.by_id(tx, number) for number in (session().id, f"{9:032x}")],
        "keys": [await keys.signing(tx), await keys.macs(tx), await keys.secret_check(tx)],
        "feed": [await feed.head(tx), await feed.after(tx, 0, 10, NOW - 1), await feed.pending(tx)],
        "audit": [(line.event, line.detail) for line in await audit.page(tx)],
        "set-up": await setup.holds(tx, b"digest", NOW - 1),
        "throttle": list(map(tuple, await tx.all("select key, tat from throttle_counts"))),
    }


async def test_all_of_it_arrives_as_it_was(pair: tuple[Store, Store]) -> None:
    old, new = pair

    copied = await copy(old, new)

    assert await everything(new) == await everything(old)
    assert (copied["users"], copied["sessions"], copied["feed_entries"], copied["audit"]) == (2, 2, 4, 3)
    assert await copying.likeness(new.read()) == await copying.likeness(old.read())


async def test_a_large_round_number_is_counted_alike(pair: tuple[Store, Store]) -> None:
    old, new = pair
    await old.write(lambda tx: tx.run("update sessions set generation = 1500000"))

    await copy(old, new)

    assert await copying.likeness(new.read()) == await copying.likeness(old.read())


async def test_what_was_there_is_replaced(pair: tuple[Store, Store]) -> None:
    old, new = pair
    await put_user(new, user(f"{7:032x}"))

    await copy(old, new)

    assert await everything(new) == await everything(old)


async def test_the_copy_is_worked_on_like_any(pair: tuple[Store, Store]) -> None:
    old, new = pair
    await copy(old, new)

    stretch = await new.write(feed.sequence)
    await new.write(lambda tx: audit.append(tx, "later", now=NOW))

    assert (stretch.after, stretch.head) == (3, 4)
    assert (await audit.page(new.read()))[0].event == "later"


async def test_more_than_a_batch_by_a_key_of_two_columns(pair: tuple[Store, Store]) -> None:
    old, new = pair
    await old.write(lambda tx: tx.run(MANY_ROLES, MANY))

    copied = await copy(old, new)

    assert copied["user_roles"] == MANY + 4
    assert await roles_of_all(new) == await roles_of_all(old)


async def roles_of_all(store: Store) -> list[tuple[str, str]]:
    rows = await store.read().all("select user_id, role from user_roles order by user_id, role")
    return [(user_id, role) for user_id, role in rows]


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_every_table_is_copied_or_left_out_by_name(dialect: Dialect) -> None:
    statements = [statement for step in migrate.steps(dialect) for statement in step.statements]
    made = {statement.split()[2] for statement in statements if statement.startswith("create table")}

    assert made | {"jotgate_migrations"} == {*COPIED, *NOT_COPIED}


async def test_what_arrives_otherwise_is_not_kept(tmp_path: Path) -> None:
    old, new = [await opened(kind, tmp_path / kind) for kind in ("memory", "file")]
    await furnish(old)
    await new.swap().run(
        "create trigger thief after insert on sessions begin delete from sessions where id = new.id; end"
    )

    with pytest.raises(DatabaseUnusable, match="differs"):
        await copy(old, new)

    assert await users.count(new.read()) == 0
    await old.close()
    await new.close()


async def test_tables_of_others_are_left_alone(tmp_path: Path) -> None:
    url = fresh_database()
    old, new = await opened("memory", tmp_path / "old"), await postgres.open_store(url)
    await new.write(lambda tx: tx.run("create table theirs (id bigint primary key)"))
    await new.write(lambda tx: tx.run("insert into theirs (id) values (1)"))
    await migrate.migrate(new, now=NOW, entropy=bytes)

    await copy(old, new)

    assert await new.read().one("select id from theirs") is not None
    await old.close()
    await new.close()


# --- what PostgreSQL is asked for


@pytest.fixture(params=["postgres", "serializable"])
async def busy(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = await opened(request.param, tmp_path / "busy")
    await furnish(store)
    yield store
    await store.close()


async def test_what_is_read_is_of_one_moment(busy: Store) -> None:
    async def read(tx: Tx) -> tuple[int, int]:
        await copying.one_moment(Side(busy.dialect, tx))
        first = await users.count(tx)
        await put_user(busy, user(f"{8:032x}"))
        return first, await users.count(tx)

    assert await busy.upgrade(read) == (2, 2)
    assert await users.count(busy.read()) == 3


async def test_nobody_writes_while_they_are_kept_out(busy: Store) -> None:
    async def hold(tx: Tx) -> tuple[int, bool]:
        await copying.keep_out(Side(busy.dialect, tx), readers=False)
        writing = asyncio.create_task(put_user(busy, user(f"{8:032x}")))
        await asyncio.sleep(0.1)
        held.append(writing)
        return await users.count(busy.read()), writing.done()

    held: list[asyncio.Task[None]] = []
    assert await busy.upgrade(hold) == (2, False)
    await held[0]
    assert await users.count(busy.read()) == 3


async def test_others_are_counted_and_we_are_not(tmp_path: Path) -> None:
    url = fresh_database()
    store = await postgres.open_store(url, pool=1)
    await migrate.migrate(store, now=NOW, entropy=bytes)

    async def count(tx: Tx) -> int:
        return await copying.others(Side("postgres", tx))

    alone = await store.upgrade(count)
    other = await postgres.open_store(url, pool=1)
    accompanied = await store.upgrade(count)
    await other.close()
    await store.close()

    assert (alone, accompanied) == (0, 1)


async def test_a_file_of_ones_own_needs_none_of_it(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data" / "jotgate.db")
    side = Side(store.dialect, store.read())

    await copying.one_moment(side)
    await copying.keep_out(side, readers=True)

    assert await copying.others(side) == 0
    await store.close()


# --- the one that is left behind


@pytest.mark.parametrize("kind", ["file", "postgres"])
async def test_an_installation_that_has_moved_says_where_it_is(kind: str, tmp_path: Path) -> None:
    store = await opened(kind, tmp_path / "old")
    await store.write(lambda tx: copying.leave(tx, "postgresql://db/jotgate", now=NOW))

    with pytest.raises(DatabaseUnusable, match="moved to postgresql://db/jotgate"):
        await migrate.check(store)
    with pytest.raises(DatabaseUnusable, match="moved"):
        await migrate.migrate(store, now=NOW, entropy=bytes)
    await store.close()
