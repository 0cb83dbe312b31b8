"""The feed at rest, on every store."""

import pytest

from jotgate.store import feed
from jotgate.store.ports import Store
from jotgate.wire.feed import Entry
from tests.store.rows import NOW

pytestmark = pytest.mark.anyio


def entry(number: int, *, until: int = NOW + 100) -> Entry:
    return Entry("sid", bytes([number]) * 16, None, until)


async def append(store: Store, *entries: Entry) -> None:
    async with store.begin() as tx:
        await feed.append(tx, entries)


async def sequence(store: Store) -> int:
    async with store.begin() as tx:
        return (await feed.sequence(tx)).head


async def test_an_entry_is_told_only_once_it_has_a_number(store: Store) -> None:
    await append(store, entry(1))

    assert await feed.after(store.read(), 0, 10, NOW) == ()
    assert await feed.pending(store.read())

    assert await sequence(store) == 1

    assert await feed.after(store.read(), 0, 10, NOW) == ((1, entry(1)),)
    assert not await feed.pending(store.read())


async def test_an_entry_comes_back_as_appended(store: Store) -> None:
    whole = Entry("sub", b"d" * 16, NOW, NOW + 1)
    await append(store, whole)
    await sequence(store)

    assert await feed.after(store.read(), 0, 10, NOW) == ((1, whole),)


async def test_numbers_are_dense_and_what_is_numbered_later_comes_later(store: Store) -> None:
    await append(store, entry(3), entry(1))
    assert await sequence(store) == 2
    await append(store, entry(2))
    assert await sequence(store) == 3

    told = await feed.after(store.read(), 0, 10, NOW)

    assert [number for number, _ in told] == [1, 2, 3]
    assert {one for _, one in told[:2]} == {entry(1), entry(3)}
    assert told[2] == (3, entry(2))


async def test_masses_are_numbered_in_parts(store: Store) -> None:
    await append(store, *map(entry, range(5)))

    stretches = [await store.write(lambda tx: feed.sequence(tx, limit=2)) for _ in range(4)]

    assert [(one.after, one.head) for one in stretches] == [(0, 2), (2, 4), (4, 5), (5, 5)]
    told = await feed.after(store.read(), 0, 10, NOW)
    assert [number for number, _ in told] == [1, 2, 3, 4, 5]
    assert {one for _, one in told} == {entry(number) for number in range(5)}
    assert await feed.state(store.read()) == (5, bytes(8).hex(), False)


async def test_numbering_nothing_leaves_the_head(store: Store) -> None:
    assert await sequence(store) == 0
    await append(store, entry(1))
    assert await sequence(store) == 1

    assert await sequence(store) == 1
    assert (await feed.head(store.read()))[0] == 1


async def test_numbers_are_never_given_twice(store: Store) -> None:
    await append(store, entry(1, until=NOW))
    await sequence(store)
    async with store.begin() as tx:
        assert await feed.forget(tx, NOW) == 1

    await append(store, entry(2))

    assert await sequence(store) == 2


async def test_a_transaction_that_fails_tells_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.begin() as tx:
            await feed.append(tx, [entry(1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await sequence(store) == 0


async def test_reading_goes_on_from_a_number_in_pages(store: Store) -> None:
    await append(store, *map(entry, range(1, 6)))
    await sequence(store)

    assert [seq for seq, _ in await feed.after(store.read(), 0, 2, NOW)] == [1, 2]
    assert [seq for seq, _ in await feed.after(store.read(), 2, 2, NOW)] == [3, 4]
    assert [seq for seq, _ in await feed.after(store.read(), 4, 2, NOW)] == [5]
    assert await feed.after(store.read(), 5, 2, NOW) == ()


@pytest.mark.parametrize(("now", "told"), [(NOW + 99, True), (NOW + 100, False)])
async def test_entries_that_matter_no_more_are_not_told(store: Store, now: int, told: bool) -> None:  # noqa: FBT001
    await append(store, entry(1, until=NOW + 100))
    await sequence(store)

    assert bool(await feed.after(store.read(), 0, 10, now)) is told


@pytest.mark.parametrize(("now", "forgotten"), [(NOW + 99, 0), (NOW + 100, 1)])
async def test_entries_that_matter_no_more_are_forgotten(store: Store, now: int, forgotten: int) -> None:
    await append(store, entry(1, until=NOW + 100))
    await sequence(store)

    async with store.begin() as tx:
        assert await feed.forget(tx, now) == forgotten


async def test_what_has_no_number_is_not_forgotten(store: Store) -> None:
    await append(store, entry(1, until=NOW))

    async with store.begin() as tx:
        assert await feed.forget(tx, NOW + 1) == 0

    assert await sequence(store) == 1


async def test_forgetting_takes_small_bites(store: Store) -> None:
    await append(store, *(entry(number, until=NOW) for number in range(5)))
    await sequence(store)

    async with store.begin() as tx:
        assert [await feed.forget(tx, NOW, 2) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_new_feed_has_a_name_of_its_own(store: Store) -> None:
    assert await feed.head(store.read()) == (0, bytes(8).hex())

    async with store.begin() as tx:
        await feed.reincarnate(tx, "another")

    assert (await feed.head(store.read()))[1] == "another"
