"""Leases: one holder at a time, and a dead one's ends by itself."""

import asyncio

import pytest

from jotgate.store import leases
from jotgate.store.ports import Store

pytestmark = pytest.mark.anyio


async def take(store: Store, holder: str, *, now: int, name: str = "sweep") -> bool:
    return await store.write(lambda tx: leases.take(tx, name, holder=holder, until=now + 60, over=now))


async def test_a_lease_has_one_holder(store: Store) -> None:
    assert await take(store, "a", now=1000)

    assert not await take(store, "b", now=1000)
    assert await take(store, "b", now=1000, name="other")


async def test_its_holder_keeps_it_as_long_as_it_renews(store: Store) -> None:
    for now in range(1000, 1300, 59):
        assert await take(store, "a", now=now)
        assert not await take(store, "b", now=now)


@pytest.mark.parametrize(("now", "holder"), [(1059, "a"), (1060, "b")])
async def test_it_ends_by_itself(store: Store, now: int, holder: str) -> None:
    await take(store, "a", now=1000)

    assert [name for name in ("b", "a") if await take(store, name, now=now)] == [holder]


async def test_of_many_at_once_one_gets_it(store: Store) -> None:
    taken = await asyncio.gather(*(take(store, str(number), now=1000) for number in range(16)))

    assert sum(taken) == 1
