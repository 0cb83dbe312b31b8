"""Refreshing: every row of the decision table through the flow, what is written, what is told, who comes at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest

from jotgate.core.model import Session, TokenPair
from jotgate.core.refresh_token import mint, parse
from jotgate.errors import GrantError, Replayed, Unavailable
from jotgate.flows import logout, roles, users
from jotgate.flows import refresh as flow
from jotgate.store import sessions
from jotgate.store.ports import Row, Store, T, Tx, Value
from jotgate.store.sqlite import SqliteStore
from tests.flows.world import AWAY, HOME, START, World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def first(world: World) -> TokenPair:
    await world.add()
    return await world.login()


async def session_of(world: World, pair: TokenPair) -> Session:
    session = await sessions.by_id(world.env.store.read(), world.claims(pair).sid or "")
    assert session is not None
    return session


def forged(world: World, pair: TokenPair, *, generation: int) -> str:
    """The session's token of another generation, sealed by the real key."""
    ring = world.env.keyring.current
    presented = parse(pair.refresh_token or "", ring.macs)
    return mint(presented.session_id, generation, presented.seed, mac=ring.mac)


# --- the table


async def test_the_newest_token_rotates(world: World, first: TokenPair) -> None:
    world.clock.now += 60

    second = await world.refresh(first)

    session = await session_of(world, second)
    assert second.refresh_token not in {None, first.refresh_token}
    assert (session.generation, session.parent, session.rotated_at) == (1, 0, START + 60)
    assert world.claims(second).sid == world.claims(first).sid
    assert world.claims(second).auth_time == START


@pytest.mark.parametrize("age", [0, 30])
async def test_the_parent_within_the_grace_gets_the_same_token(world: World, first: TokenPair, age: int) -> None:
    second = await world.refresh(first)
    before = await session_of(world, second)
    world.clock.now += age

    again = await world.refresh(first)

    assert again.refresh_token == second.refresh_token
    assert again.access_token != second.access_token
    assert await session_of(world, again) == before
    assert await world.events() == ["user_added"]


@pytest.mark.parametrize("age", [31, 86400])
async def test_the_parent_within_the_recovery_gets_a_new_successor(world: World, first: TokenPair, age: int) -> None:
    second = await world.refresh(first)
    world.clock.now += age

    third = await world.refresh(first)

    session = await session_of(world, third)
    assert (session.generation, session.parent) == (2, 0)
    assert third.refresh_token != second.refresh_token
    with pytest.raises(Replayed):
        await world.refresh(second)


async def test_the_parent_after_the_recovery_is_a_replay(world: World, first: TokenPair) -> None:
    second = await world.refresh(first)
    world.clock.now += 86401

    with pytest.raises(Replayed):
        await world.refresh(first)

    with pytest.raises(GrantError):
        await world.refresh(second)


async def test_an_older_token_is_a_replay_at_once(world: World, first: TokenPair) -> None:
    third = await world.refresh(await world.refresh(first))

    with pytest.raises(Replayed):
        await world.refresh(first, origin=AWAY)

    session = await session_of(world, third)
    assert (session.closed_at, session.closed_by) == (START, "replay")
    assert await world.is_told("sid", session.id)
    assert (await world.events())[-1] == "replay"


async def test_after_a_replay_every_token_is_refused_and_nothing_more_is_told(world: World, first: TokenPair) -> None:
    third = await world.refresh(await world.refresh(first))
    with pytest.raises(Replayed):
        await world.refresh(first)
    told = (await world.news()).entries

    for pair in (first, third):
        with pytest.raises(GrantError) as refused:
            await world.refresh(pair)
        assert not isinstance(refused.value, Replayed)

    assert (await world.news()).entries == told


@pytest.mark.parametrize(("newer_by", "allowed"), [(1, True), (100, True), (101, False)])
async def test_a_newer_token_rolls_the_session_forward(
    world: World, first: TokenPair, newer_by: int, *, allowed: bool
) -> None:
    token = forged(world, first, generation=newer_by)

    if not allowed:
        with pytest.raises(GrantError):
            await flow.refresh(world.env, token, origin=HOME)
        return
    pair = await flow.refresh(world.env, token, origin=HOME)

    session = await session_of(world, pair)
    assert (session.generation, session.parent) == (newer_by + 1, newer_by)
    assert (await world.events())[-1] == "refresh_rolled_forward"


async def test_a_forged_token_is_refused_before_the_database_is_asked(world: World, first: TokenPair) -> None:
    token = first.refresh_token or ""
    await world.env.store.close()

    with pytest.raises(GrantError):
        await flow.refresh(world.env, token[:-1] + ("A" if token[-1] != "A" else "B"), origin=HOME)


async def test_another_client_gets_nothing(world: World, first: TokenPair) -> None:
    with pytest.raises(GrantError):
        await flow.refresh(world.env, first.refresh_token or "", origin=HOME, client_id="another")

    assert await world.refresh(first)


async def test_another_seed_gets_nothing(world: World, first: TokenPair) -> None:
    ring = world.env.keyring.current
    token = mint(world.claims(first).sid or "", 0, b"some other seed!", mac=ring.mac)

    with pytest.raises(GrantError):
        await flow.refresh(world.env, token, origin=HOME)


async def test_an_access_token_is_no_refresh_token(world: World, first: TokenPair) -> None:
    with pytest.raises(GrantError):
        await flow.refresh(world.env, first.access_token, origin=HOME)


# --- ends


@pytest.mark.parametrize(("age", "alive"), [(14 * 86400 - 1, True), (14 * 86400, False)])
async def test_an_idle_session_ends_on_its_second(world: World, first: TokenPair, age: int, *, alive: bool) -> None:
    world.clock.now += age

    if alive:
        await world.refresh(first)
    else:
        with pytest.raises(GrantError):
            await world.refresh(first)


async def test_a_session_ends_absolutely_and_no_token_outlives_it(world: World, first: TokenPair) -> None:
    pair = first
    for _ in range(2):
        world.clock.now += 13 * 86400
        pair = await world.refresh(pair)
    assert pair.refresh_expires_in == 4 * 86400

    world.clock.now = START + 30 * 86400 - 100
    pair = await world.refresh(pair)
    claims = world.claims(pair)
    assert (pair.expires_in, pair.refresh_expires_in) == (100, 100)
    assert claims.exp == START + 30 * 86400

    world.clock.now += 100
    with pytest.raises(GrantError):
        await world.refresh(pair)


async def test_a_disabled_user_is_not_refreshed(world: World, first: TokenPair) -> None:
    await users.disable(world.env, world.claims(first).sub)

    with pytest.raises(GrantError):
        await world.refresh(first)


async def test_a_user_disabled_behind_our_back_is_not_refreshed(world: World, first: TokenPair) -> None:
    """As after a restored backup: the session's row says open, the user's says disabled."""
    await world.env.store.swap().run("update users set disabled_at = 1")

    with pytest.raises(GrantError, match="disabled"):
        await world.refresh(first)


async def test_a_refresh_brings_the_roles_of_now(world: World, first: TokenPair) -> None:
    before = world.claims(first)
    await roles.set_role(world.env, "manager", ["payments:read"])
    await users.set_roles(world.env, before.sub, ["manager"])

    after = world.claims(await world.refresh(first))

    assert (after.roles, after.scope) == (("manager",), "payments:read")
    assert (after.epoch or 0) > (before.epoch or 0)


# --- from elsewhere


async def test_a_repeat_from_elsewhere_is_answered_and_audited(world: World, first: TokenPair) -> None:
    second = await world.refresh(first)

    again = await world.refresh(first, origin=AWAY)

    assert again.refresh_token == second.refresh_token
    assert (await world.events())[-1] == "refresh_repeated_elsewhere"


@pytest.mark.parametrize(
    "origin", [replace(HOME, address="198.51.100.7"), replace(HOME, device="curl")], ids=["network", "device"]
)
async def test_a_recovery_from_elsewhere_is_audited(world: World, first: TokenPair, origin: object) -> None:
    assert isinstance(origin, type(HOME))
    await world.refresh(first)
    world.clock.now += 31

    await world.refresh(first, origin=origin)

    assert (await world.events())[-1] == "refresh_recovered_elsewhere"


async def test_a_recovery_from_home_is_nobodys_business(world: World, first: TokenPair) -> None:
    await world.refresh(first)
    world.clock.now += 31

    await world.refresh(first)

    assert await world.events() == ["user_added"]


# --- at once


async def test_64_uses_at_once_give_one_successor_and_change_one_row(world: World, first: TokenPair) -> None:
    pairs = await asyncio.gather(*(world.refresh(first) for _ in range(64)))

    session = await session_of(world, first)
    assert len(pairs) == 64
    assert len({pair.refresh_token for pair in pairs}) == 1
    assert len({pair.access_token for pair in pairs}) == 64
    assert (session.generation, session.parent, session.closed_at) == (1, 0, None)
    assert await world.news() == await world.news()
    assert (await world.news()).entries == ()


async def test_many_replays_at_once_close_the_session_once(world: World, first: TokenPair) -> None:
    await world.refresh(await world.refresh(first))

    results = await asyncio.gather(*(world.refresh(first) for _ in range(16)), return_exceptions=True)

    assert all(isinstance(result, GrantError) for result in results)
    assert sum(isinstance(result, Replayed) for result in results) == 1
    assert len((await world.news()).entries) == 1
    assert (await world.events()).count("replay") == 1


async def test_recoveries_at_once_agree_on_one_successor(world: World, first: TokenPair) -> None:
    await world.refresh(first)
    world.clock.now += 31

    pairs = await asyncio.gather(*(world.refresh(first) for _ in range(16)))

    assert len({pair.refresh_token for pair in pairs}) == 1
    assert (await session_of(world, first)).generation == 2


class Racing:
    """The real store; somebody else is faster before each of `times` swaps, or before each transaction."""

    def __init__(self, store: Store, *, times: int = 0, before: Callable[[], Awaitable[object]] | None = None) -> None:
        self.read, self.version, self.close, self.begin = store.read, store.version, store.close, store.begin
        self.keep = store.keep
        self.tables, self.dialect, self.shared, self.upgrade = store.tables, store.dialect, "", store.upgrade
        self.store, self.times, self.before = store, times, before

    def swap(self) -> Tx:
        return self

    async def write(self, work: Callable[[Tx], Awaitable[T]], *, durable: bool = True) -> T:
        if self.before:
            await self.before()
        return await self.store.write(work, durable=durable)

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        return await self.store.swap().one(sql, *args)

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        return await self.store.swap().all(sql, *args)

    async def run(self, sql: str, /, *args: Value) -> int:
        if self.times:
            self.times -= 1
            await self.store.swap().run("update sessions set generation = generation + 1")
        return await self.store.swap().run(sql, *args)


async def test_a_lost_swap_is_decided_again(world: World, first: TokenPair) -> None:
    env = replace(world.env, store=Racing(world.env.store, times=3))

    pair = await flow.refresh(env, forged(world, first, generation=10), origin=HOME)

    assert (await session_of(world, pair)).generation == 11


async def test_who_loses_every_time_is_asked_to_come_again(world: World, first: TokenPair) -> None:
    env = replace(world.env, store=Racing(world.env.store, times=8))

    with pytest.raises(Unavailable):
        await flow.refresh(env, forged(world, first, generation=50), origin=HOME)


async def test_a_replay_that_comes_second_to_a_logout_tells_nobody_twice(world: World, first: TokenPair) -> None:
    await world.refresh(await world.refresh(first))
    before = partial(logout.logout, world.env, refresh_token=first.refresh_token)
    env = replace(world.env, store=Racing(world.env.store, before=before))

    with pytest.raises(GrantError) as refused:
        await flow.refresh(env, first.refresh_token or "", origin=HOME)

    assert not isinstance(refused.value, Replayed)  # as if it had come a moment later
    assert len((await world.news()).entries) == 1
    assert (await session_of(world, first)).closed_by == "logout"
    assert "replay" not in await world.events()


# --- durability and the good case


@pytest.fixture
async def counting(world: World) -> AsyncIterator[list[str]]:
    """The statements that run."""
    statements: list[str] = []
    assert isinstance(world.env.store, SqliteStore)
    world.env.store.connection.set_trace_callback(statements.append)
    yield statements
    world.env.store.connection.set_trace_callback(None)


async def test_the_good_case_is_one_statement(world: World, first: TokenPair, counting: list[str]) -> None:
    await world.refresh(first)

    assert len(counting) == 1
    assert counting[0].lower().startswith("update sessions")


async def test_a_rotation_that_a_power_cut_forgot_strands_nobody(world: World, first: TokenPair) -> None:
    third = await world.refresh(await world.refresh(first))
    await world.env.store.swap().run("update sessions set generation = 0, parent = -1, rotated_at = ?", START)

    fourth = await world.refresh(third)

    assert (await session_of(world, fourth)).generation == 3
    assert (await world.events())[-1] == "refresh_rolled_forward"


async def test_another_process_on_the_same_file_repeats_the_same_token(tmp_path: object) -> None:
    async with open_world(f"{tmp_path}/data/jotgate.db") as one, open_world(f"{tmp_path}/data/jotgate.db") as other:
        await one.add()
        first = await one.login()

        second, again = await one.refresh(first), await other.refresh(first)

        assert second.refresh_token == again.refresh_token
        assert other.claims(second).sid == one.claims(again).sid
