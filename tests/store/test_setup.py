"""Set-up links at rest, on every store."""

import pytest

from jotgate.store import setup
from jotgate.store.ports import Store
from tests.store.rows import NOW

pytestmark = pytest.mark.anyio

DIGEST = b"d" * 32


@pytest.mark.parametrize(("now", "works"), [(NOW + 99, True), (NOW + 100, False)])
async def test_a_link_works_once_and_in_time(store: Store, now: int, works: bool) -> None:  # noqa: FBT001
    async with store.begin() as tx:
        await setup.put(tx, DIGEST, NOW + 100)

        assert not await setup.take(tx, b"other", now)
        assert not await setup.holds(tx, b"other", now)
        assert await setup.holds(tx, DIGEST, now) is works
        assert await setup.take(tx, DIGEST, now) is works
        assert not await setup.take(tx, DIGEST, now)


async def test_a_new_link_voids_the_old_one(store: Store) -> None:
    async with store.begin() as tx:
        await setup.put(tx, DIGEST, NOW + 100)
        await setup.put(tx, b"new", NOW + 100)

        assert not await setup.take(tx, DIGEST, NOW)
        assert await setup.take(tx, b"new", NOW)


async def test_cleared_links_work_no_more(store: Store) -> None:
    async with store.begin() as tx:
        await setup.put(tx, DIGEST, NOW + 100)
        await setup.clear(tx)

        assert not await setup.take(tx, DIGEST, NOW)
