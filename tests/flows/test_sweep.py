"""Sweeping: what goes, what stays, and on which second."""

import pytest

from jotgate.core.model import StoredKey
from jotgate.flows import logout, sweep
from jotgate.store import audit, keys
from jotgate.store.ports import Tx
from tests.flows.world import START, World

pytestmark = pytest.mark.anyio

DAY = 86400


@pytest.mark.parametrize(("age", "left"), [(30 * DAY, 1), (30 * DAY + 1, 0)])
async def test_a_closed_session_goes_30_days_after(world: World, age: int, left: int) -> None:
    await world.add()
    await logout.logout(world.env, refresh_token=(await world.login()).refresh_token)
    world.clock.now += age

    await sweep.sweep(world.env)

    assert await world.count("sessions") == left


@pytest.mark.parametrize(("age", "left"), [(60 * DAY, 1), (60 * DAY + 1, 0)])
async def test_a_session_that_ended_goes_30_days_after(world: World, age: int, left: int) -> None:
    await world.add()
    await world.login()
    world.clock.now += age

    await sweep.sweep(world.env)

    assert await world.count("sessions") == left


@pytest.mark.parametrize(("age", "left"), [(1079, 1), (1080, 0)])
async def test_an_entry_of_the_feed_goes_when_all_tokens_have_expired(world: World, age: int, left: int) -> None:
    await world.add()
    await logout.logout(world.env, refresh_token=(await world.login()).refresh_token)
    world.clock.now += age

    await sweep.sweep(world.env)

    assert await world.count("feed_entries") == left


@pytest.mark.parametrize(("age", "left"), [(400 * DAY, 1), (400 * DAY + 1, 0)])
async def test_a_line_of_the_audit_goes_after_400_days(world: World, age: int, left: int) -> None:
    await world.add()
    world.clock.now += age

    await sweep.sweep(world.env)

    assert await world.count("audit") == left


@pytest.mark.parametrize(("age", "left"), [(30 * DAY, 3), (30 * DAY + 1, 2)])
async def test_a_key_that_is_gone_goes_30_days_after(world: World, age: int, left: int) -> None:
    gone = StoredKey("old", "ES256", "{}", b"", START - DAY, START - DAY, START - DAY, START - DAY, gone_at=START)
    async with world.env.store.begin() as tx:
        await keys.put_signing(tx, gone)
    world.clock.now += age

    await sweep.sweep(world.env)

    assert len(await keys.signing(world.env.store.read())) == left


async def test_much_goes_in_small_batches(world: World) -> None:
    async def lines(tx: Tx) -> None:
        for _ in range(2 * sweep.BATCH + 1):
            await audit.append(tx, "old", now=1)

    async with world.env.store.begin() as tx:
        await lines(tx)

    assert await sweep.sweep(world.env) == 2 * sweep.BATCH + 1
    assert await sweep.sweep(world.env) == 0
