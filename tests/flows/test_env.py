"""The bell that wakes readers of the feed, the keys in use, and numbering."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from jotgate.core.feed import sessions_closed
from jotgate.errors import Unavailable
from jotgate.flows.env import FeedBell, KeysInUse, Secrets, sequence
from jotgate.store import feed
from jotgate.store.ports import Stretch
from tests.flows.world import ISSUER, MASTER, World, open_world

pytestmark = pytest.mark.anyio


async def waiting(bell: FeedBell, seen: int = 0, *, address: str = "") -> asyncio.Task[None]:
    task = asyncio.create_task(bell.wait(seen, 60, address=address))
    await asyncio.sleep(0)
    return task


# --- the bell


async def test_who_waits_is_woken_by_news() -> None:
    bell = FeedBell()
    task = await waiting(bell)

    bell.ring(1, "one")

    await asyncio.wait_for(task, 5)
    assert bell.head == 1


@pytest.mark.parametrize("head", [0, 1])
async def test_old_news_wake_nobody(head: int) -> None:
    bell = FeedBell()
    bell.ring(1, "one")
    task = await waiting(bell, seen=1)

    bell.ring(head, "one")
    await asyncio.sleep(0)

    assert not task.done()
    task.cancel()


async def test_another_incarnation_wakes_everybody_whatever_its_numbers() -> None:
    bell = FeedBell()
    bell.ring(9, "one")
    task = await waiting(bell, seen=9)

    bell.ring(3, "other")

    await asyncio.wait_for(task, 5)
    assert (bell.head, bell.incarnation) == (3, "other")


async def test_who_has_not_seen_the_newest_does_not_wait() -> None:
    bell = FeedBell()
    bell.ring(2, "one")

    await asyncio.wait_for(bell.wait(1, 60), 5)


async def test_the_wait_ends_by_itself() -> None:
    bell = FeedBell()

    await bell.wait(0, 0)
    await bell.wait(0, 0.001)

    assert bell.head == -1


async def test_closing_answers_everybody_and_nobody_waits_after_it() -> None:
    bell = FeedBell()
    tasks = [await waiting(bell) for _ in range(3)]

    bell.close()
    bell.close()

    await asyncio.wait_for(asyncio.gather(*tasks, bell.wait(0, 60)), 5)


async def test_who_goes_away_leaves_the_place_to_others() -> None:
    bell = FeedBell(places=1)
    first = await waiting(bell)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first

    second = await waiting(bell)

    assert not second.done()
    second.cancel()


@pytest.mark.parametrize("bell", [FeedBell(places=2), FeedBell(places_by_address=2)])
async def test_who_finds_no_place_is_answered_at_once(bell: FeedBell) -> None:
    tasks = [await waiting(bell, address="a") for _ in range(2)]

    await asyncio.wait_for(bell.wait(0, 60, address="a"), 5)

    assert not any(task.done() for task in tasks)
    bell.close()
    await asyncio.gather(*tasks)


async def test_one_address_leaves_places_to_others() -> None:
    bell = FeedBell(places_by_address=1)
    first = await waiting(bell, address="a")

    other = await waiting(bell, address="b")

    assert not other.done()
    bell.close()
    await asyncio.gather(first, other)


# --- the keys


def test_before_the_first_load_there_are_no_keys() -> None:
    keys = KeysInUse(Secrets(MASTER))

    assert keys.loaded_version is None
    with pytest.raises(Unavailable):
        keys.current  # noqa: B018


def test_what_is_blinded_is_the_same_on_every_node_and_for_nobody_else() -> None:
    here, there, elsewhere = (KeysInUse(Secrets(master)) for master in (MASTER, MASTER, b"another" * 5))

    assert here.blind("ada") == there.blind("ada")
    assert len({here.blind("ada"), here.blind("bob"), elsewhere.blind("ada")}) == 3
    assert b"ada" not in here.blind("ada")


def test_secrets_do_not_show() -> None:
    assert "master" not in repr(Secrets(MASTER, (MASTER,), MASTER)).replace("Secrets", "")


# --- numbering


async def entry(world: World, name: str) -> None:
    async with world.env.store.begin() as tx:
        await feed.append(tx, sessions_closed(ISSUER, (name,), now=int(world.clock.now), longest_ttl=900))


async def test_numbering_rings_the_bell(world: World) -> None:
    await entry(world, "a")

    await sequence(world.env)
    await sequence(world.env)

    assert world.env.feed.head == 1


async def test_what_another_process_numbered_rings_it_too(world: World) -> None:
    await entry(world, "a")
    async with world.env.store.begin() as tx:
        await feed.sequence(tx)

    await sequence(world.env)

    assert world.env.feed.head == 1


async def test_a_database_that_is_away_is_a_matter_for_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.env.store.close()

    with caplog.at_level(logging.WARNING):
        await sequence(world.env)

    assert "could not be numbered" in caplog.text


async def test_who_asks_while_numbers_are_given_shares_the_next_look(tmp_path: Path) -> None:
    async with open_world(tmp_path / "jotgate.db") as world:  # a commit on a disk takes its time
        async with world.env.store.begin() as tx:
            await feed.append(tx, sessions_closed(ISSUER, ["one"], now=0, longest_ttl=10**10))
        said: list[bool] = []

        async def look() -> None:
            async with world.env.feed.taking_turns() as has_been_done:
                said.append(has_been_done)
                await asyncio.sleep(0)

        await asyncio.gather(*(sequence(world.env) for _ in range(3)), look(), look())

        assert world.env.feed.head == 1
        assert said == [True, True]


async def test_masses_get_their_numbers_at_once(world: World) -> None:
    everything = feed.BATCH + 1
    ids = [str(number) for number in range(everything)]
    async with world.env.store.begin() as tx:
        await feed.append(tx, sessions_closed(ISSUER, ids, now=0, longest_ttl=10**10))

    await sequence(world.env)

    assert world.env.feed.head == everything


class Listener:
    """A way between nodes that arrives at once."""

    def __init__(self) -> None:
        self.told: list[Stretch] = []

    async def run(self, heard: Callable[[], None]) -> None:
        heard()

    def tell(self, stretch: Stretch) -> None:
        self.told.append(stretch)

    async def close(self) -> None:
        pass


async def test_what_is_numbered_is_told_once_to_every_other_way(world: World) -> None:
    listeners = Listener(), Listener()
    env = replace(world.env, feed=FeedBell(spreads=listeners))
    async with env.store.begin() as tx:
        await feed.append(tx, sessions_closed(ISSUER, ["one"], now=0, longest_ttl=10**10))

    await sequence(env)
    await sequence(env)

    assert [listener.told for listener in listeners] == [[Stretch(env.feed.incarnation, 0, 1)]] * 2
