"""Sweeping: what goes, what stays, and on which second."""

import asyncio

import pytest

from jotgate.core.model import StoredKey
from jotgate.core.policy import SKEW
from jotgate.core.throttle import Limit
from jotgate.flows import logout, sweep
from jotgate.store import audit, keys, leases
from jotgate.store.ports import Tx
from jotgate.store.throttle import DatabaseThrottle
from tests.flows.world import START, World

pytestmark = pytest.mark.anyio

DAY = 86400


@pytest.mark.parametrize(("age", "left"), [(30 * DAY, 1), (30 * DAY + 1, 0)])
async def test_a_closed_session_goes_30_days_after(world: World, age: int, left: int) -> None:
    await world.add()
    await logout.logout(world.env, refresh_token=(await world.login()).refresh_token)
    world.clock.now += age

    await sweep.sweep(world.env, holder="here")

    assert await world.count("sessions") == left


@pytest.mark.parametrize(("age", "left"), [(60 * DAY, 1), (60 * DAY + 1, 0)])
async def test_a_session_that_ended_goes_30_days_after(world: World, age: int, left: int) -> None:
    await world.add()
    await world.login()
    world.clock.now += age

    await sweep.sweep(world.env, holder="here")

    assert await world.count("sessions") == left


@pytest.mark.parametrize(("age", "left"), [(1079, 1), (1080, 0)])
async def test_an_entry_of_the_feed_goes_when_all_tokens_have_expired(world: World, age: int, left: int) -> None:
    await world.add()
    await logout.logout(world.env, refresh_token=(await world.login()).refresh_token)
    world.clock.now += age

    await sweep.sweep(world.env, holder="here")

    assert await world.count("feed_entries") == left


@pytest.mark.parametrize(("age", "left"), [(400 * DAY, 1), (400 * DAY + 1, 0)])
async def test_a_line_of_the_audit_goes_after_400_days(world: World, age: int, left: int) -> None:
    await world.add()
    world.clock.now += age

    await sweep.sweep(world.env, holder="here")

    assert await world.count("audit") == left


@pytest.mark.parametrize(("age", "left"), [(30 * DAY, 3), (30 * DAY + 1, 2)])
async def test_a_key_that_is_gone_goes_30_days_after(world: World, age: int, left: int) -> None:
    gone = StoredKey("old", "ES256", "{}", b"", START - DAY, START - DAY, START - DAY, START - DAY, gone_at=START)
    async with world.env.store.begin() as tx:
        await keys.put_signing(tx, gone)
    world.clock.now += age

    await sweep.sweep(world.env, holder="here")

    assert len(await keys.signing(world.env.store.read())) == left


@pytest.mark.parametrize(("age", "left"), [(60 * 60 + 900, 1), (60 * 60 + 901, 0)])
async def test_a_count_goes_an_hour_after_it_has_leaked_away(world: World, age: int, left: int) -> None:
    throttle = DatabaseThrottle(world.env.store, clock=world.clock)
    await throttle.admit([Limit(b"key", 1, 900.0)])
    world.clock.now += age

    await sweep.sweep(world.env, holder="here")

    assert await world.count("throttle_counts") == left


async def old_lines(world: World, count: int) -> None:
    async def lines(tx: Tx) -> None:
        for _ in range(count):
            await audit.append(tx, "old", now=1)

    await world.env.store.write(lines)


async def test_much_goes_in_small_batches(world: World) -> None:
    await old_lines(world, 2 * sweep.FIRST + 1)

    assert await sweep.sweep(world.env, holder="here") == 2 * sweep.FIRST + 1
    assert await sweep.sweep(world.env, holder="here") == 0


@pytest.mark.parametrize(
    ("limit", "took", "next_limit"),
    [
        (100, 0.0019, 200),
        (1500, 0.001, sweep.MOST),
        (100, 0.002, 100),
        (100, 0.004, 100),
        (200, 0.0041, 100),
        (30, 0.1, sweep.FEWEST),
    ],
)
def test_a_batch_is_as_large_as_fits_into_its_time(limit: int, took: float, next_limit: int) -> None:
    assert sweep.fitting(limit, took) == next_limit


# --- of many nodes one sweeps

ENDS = sweep.LEASE_SECONDS + SKEW


async def test_two_nodes_do_not_sweep_at_the_same_time(world: World) -> None:
    await sweep.sweep(world.env, holder="here")
    await old_lines(world, 3)

    assert await sweep.sweep(world.env, holder="there") == 0
    assert await sweep.sweep(world.env, holder="here") == 3


@pytest.mark.parametrize(("later", "gone"), [(ENDS - 1, 0), (ENDS, 3)])
async def test_where_a_sweeper_died_another_takes_over(world: World, later: int, gone: int) -> None:
    await sweep.sweep(world.env, holder="here")
    await old_lines(world, 3)
    world.clock.now += later

    assert await sweep.sweep(world.env, holder="there") == gone


async def test_who_sweeps_keeps_it_as_long_as_it_lives(world: World) -> None:
    for _ in range(5):
        await sweep.sweep(world.env, holder="here")
        world.clock.now += sweep.LEASE_SECONDS - 1

        assert not await taken(world, "there")


@pytest.mark.parametrize("wrong", [60, -60, SKEW, -SKEW])
async def test_a_node_whose_clock_is_wrong_robs_nobody(world: World, wrong: int) -> None:
    await sweep.sweep(world.env, holder="here")
    world.clock.now += wrong + sweep.LEASE_SECONDS - 1  # just before the holder's own clock says that it is over
    await old_lines(world, 3)

    assert await sweep.sweep(world.env, holder="there") == 0


async def test_who_lost_the_lease_commits_no_batch_more(world: World) -> None:
    await old_lines(world, 3 * sweep.FIRST)

    async def robbed() -> None:
        for _ in range(1000):
            if await world.count("audit") < 3 * sweep.FIRST:
                break  # the first batch is done
            await asyncio.sleep(0)
        world.clock.now += ENDS
        assert await taken(world, "there")
        world.clock.now -= ENDS

    swept, _ = await asyncio.gather(sweep.sweep(world.env, holder="here"), robbed())

    assert swept == sweep.FIRST
    assert await world.count("audit") == 2 * sweep.FIRST


async def taken(world: World, holder: str) -> bool:
    now = int(world.clock.now)
    until, over = now + sweep.LEASE_SECONDS, now - SKEW
    return await world.env.store.write(lambda tx: leases.take(tx, sweep.LEASE, holder=holder, until=until, over=over))
