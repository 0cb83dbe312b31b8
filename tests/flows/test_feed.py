"""Pages of the feed: what is on them, in which order, when they come."""

import asyncio

import pytest

from jotgate.core.feed import sessions_closed
from jotgate.errors import Unavailable
from jotgate.flows import logout
from jotgate.flows.feed import is_far_behind, page, place, sequence
from jotgate.store import feed
from jotgate.wire.feed import MAX_PAGE_ENTRIES, Page, digest
from tests.flows.world import ISSUER, START, World, open_world

pytestmark = pytest.mark.anyio


async def tell(world: World, *names: str, ttl: int = 900) -> None:
    async with world.env.store.begin() as tx:
        await feed.append(tx, sessions_closed(ISSUER, names, now=int(world.clock.now), longest_ttl=ttl))
    async with world.env.store.begin() as tx:
        await feed.sequence(tx)
    await sequence(world.env)


def digests(found: Page) -> list[bytes]:
    return [entry.digest for entry in found.entries]


@pytest.mark.parametrize("cursor", [None, "", "nonsense", "another.1"])
async def test_without_a_cursor_of_this_feed_one_starts_over(world: World, cursor: str | None) -> None:
    await tell(world, "a", "b")

    found = await page(world.env, cursor, 25)

    assert found.reset
    assert not found.more
    assert digests(found) == [digest(ISSUER, "sid", "a"), digest(ISSUER, "sid", "b")]


async def test_the_first_page_of_a_process_knows_what_is_there(tmp_path: object) -> None:
    async with open_world(f"{tmp_path}/data/jotgate.db") as world:
        await tell(world, "a")
        cursor = (await page(world.env, None)).next
        await tell(world, "b")

    async with open_world(f"{tmp_path}/data/jotgate.db") as world:
        assert digests(await page(world.env, None)) == [digest(ISSUER, "sid", name) for name in "ab"]
        assert digests(await page(world.env, cursor)) == [digest(ISSUER, "sid", "b")]


async def test_a_cursor_leads_to_what_came_after_it(world: World) -> None:
    await tell(world, "a")
    first = await page(world.env, None)
    await tell(world, "b")

    second = await page(world.env, first.next)
    third = await page(world.env, second.next)

    assert not second.reset
    assert digests(second) == [digest(ISSUER, "sid", "b")]
    assert (digests(third), third.next) == ([], second.next)


async def test_a_cursor_beyond_the_head_starts_over(world: World) -> None:
    await tell(world, "a")
    incarnation = (await page(world.env, None)).next.partition(".")[0]

    assert (await page(world.env, f"{incarnation}.2")).reset
    assert not (await page(world.env, f"{incarnation}.1")).reset


async def test_who_has_heard_more_from_another_node_does_not_start_over(tmp_path: object) -> None:
    async with open_world(f"{tmp_path}/data/jotgate.db") as here, open_world(f"{tmp_path}/data/jotgate.db") as there:
        await tell(there, "a")
        cursor = (await page(here.env, None)).next
        await tell(here, "b")
        further = (await page(here.env, cursor)).next

        found = await page(there.env, further)

        assert (found.reset, found.next, found.entries) == (False, further, ())
        assert await place(there.env, further) == (there.env.feed.incarnation, 2)


async def test_another_incarnation_starts_over(world: World) -> None:
    await tell(world, "a")
    cursor = (await page(world.env, None)).next
    async with world.env.store.begin() as tx:
        await feed.reincarnate(tx, "restored")
    await sequence(world.env)

    found = await page(world.env, cursor)

    assert found.reset
    assert found.next == "restored.1"


async def test_a_restored_feed_counts_from_where_it_was_and_loses_nothing(world: World) -> None:
    await tell(world, "a", "b", "c")
    cursor = (await page(world.env, None)).next
    async with world.env.store.begin() as tx:
        await tx.run("delete from feed_entries where seq > 1")
        await tx.run("update feed_head set seq = 1")
        await feed.reincarnate(tx, "restored")
    await sequence(world.env)

    over = await page(world.env, cursor)
    await tell(world, "d")
    after = await page(world.env, over.next)

    assert (over.reset, digests(over)) == (True, [digest(ISSUER, "sid", "a")])
    assert digests(after) == [digest(ISSUER, "sid", "d")]


@pytest.mark.parametrize(("age", "count"), [(900 + 60 + 120 - 1, 1), (900 + 60 + 120, 0)])
async def test_what_matters_no_more_is_not_on_a_page(world: World, age: int, count: int) -> None:
    await tell(world, "a")
    world.clock.now = START + age

    found = await page(world.env, None)

    assert len(found.entries) == count
    assert found.next.endswith(".1")


async def test_a_long_feed_comes_in_pages(world: World) -> None:
    await tell(world, *(str(number) for number in range(MAX_PAGE_ENTRIES + 2)))

    first = await page(world.env, None)
    second = await page(world.env, first.next)

    assert (first.reset, first.more, len(first.entries)) == (True, True, MAX_PAGE_ENTRIES)
    assert (second.reset, second.more, len(second.entries)) == (False, False, 2)
    assert len({*digests(first), *digests(second)}) == MAX_PAGE_ENTRIES + 2


async def test_a_page_that_is_full_to_the_last_entry_has_no_more(world: World) -> None:
    await tell(world, *(str(number) for number in range(MAX_PAGE_ENTRIES)))

    assert not (await page(world.env, None)).more


async def test_numbers_that_may_not_be_on_the_disk_yet_are_not_shown(world: World) -> None:
    await tell(world, "a")
    async with world.env.store.begin() as tx:
        await feed.append(tx, sessions_closed(ISSUER, ("b",), now=START, longest_ttl=900))
    async with world.env.store.begin() as tx:
        await feed.sequence(tx)

    before = await page(world.env, None)
    await sequence(world.env)
    after = await page(world.env, before.next)

    assert digests(before) == [digest(ISSUER, "sid", "a")]
    assert digests(after) == [digest(ISSUER, "sid", "b")]


async def test_a_feed_that_cannot_be_read_is_not_called_empty(world: World) -> None:
    await world.env.store.close()

    with pytest.raises(Unavailable):
        await page(world.env, None)


async def test_a_waiting_reader_hears_of_a_logout_at_once(world: World) -> None:
    await world.add()
    pair = await world.login()
    cursor = (await page(world.env, None)).next
    reader = asyncio.create_task(page(world.env, cursor, 25, address="192.0.2.9"))
    await asyncio.sleep(0)

    await logout.logout(world.env, refresh_token=pair.refresh_token)

    found = await asyncio.wait_for(reader, 5)
    assert digests(found) == [digest(ISSUER, "sid", world.claims(pair).sid or "")]


async def test_a_reader_without_news_is_answered_when_the_time_is_over(world: World) -> None:
    cursor = (await page(world.env, None)).next

    found = await asyncio.wait_for(page(world.env, cursor, 0.001), 5)

    assert (found.next, found.entries, found.reset) == (cursor, (), False)


async def test_a_reader_is_answered_when_the_process_is_about_to_end(world: World) -> None:
    cursor = (await page(world.env, None)).next
    reader = asyncio.create_task(page(world.env, cursor, 25))
    await asyncio.sleep(0)

    world.env.feed.close()

    assert (await asyncio.wait_for(reader, 5)).entries == ()


@pytest.mark.parametrize(("entries", "far"), [(0, False), (MAX_PAGE_ENTRIES, False), (MAX_PAGE_ENTRIES + 1, True)])
async def test_a_page_may_be_full_where_there_is_more_than_one_holds(world: World, entries: int, *, far: bool) -> None:
    await tell(world, *(str(number) for number in range(entries)))
    end = (await page(world.env, None)).next if entries <= MAX_PAGE_ENTRIES else f"{world.env.feed.incarnation}.5000"

    beginning, reached = await place(world.env, "unknown"), await place(world.env, end)

    assert beginning == (world.env.feed.incarnation, None)
    assert reached == (world.env.feed.incarnation, min(entries, 5000) if far else entries)
    assert is_far_behind(world.env, beginning) is far
    assert not is_far_behind(world.env, reached)


async def test_who_waits_where_the_database_is_away_is_told_to_ask_elsewhere(world: World) -> None:
    await tell(world, "a")
    cursor = (await page(world.env, None)).next
    waiting = asyncio.create_task(page(world.env, cursor, 25))
    await asyncio.sleep(0)

    await world.env.store.close()
    await sequence(world.env)

    with pytest.raises(Unavailable):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(page(world.env, cursor, 25), 5)


async def test_once_the_database_is_back_one_can_wait_again(world: World) -> None:
    await tell(world, "a")
    cursor = (await page(world.env, None)).next
    world.env.feed.hush()

    await sequence(world.env)
    waiting = asyncio.create_task(page(world.env, cursor, 25))
    await asyncio.sleep(0)
    await tell(world, "b")

    assert digests(await asyncio.wait_for(waiting, 5)) == [digest(ISSUER, "sid", "b")]
