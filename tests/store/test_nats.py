"""What nodes say to guards and to each other over a real NATS server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from jotgate.errors import Malformed, StartError, Unavailable
from jotgate.jose import Key, jwks, new_key
from jotgate.store import feed as feed_rows
from jotgate.store import nats as nats_module
from jotgate.store.migrate import migrate
from jotgate.store.nats import NatsSpread
from jotgate.store.ports import Store, Stretch
from jotgate.store.sqlite import open_store
from jotgate.wire import feedbatch
from jotgate.wire.feed import Entry, digest
from jotgate.wire.feedbatch import Batch
from tests.servers.nats import Nats, running_nats, server_url

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000


@dataclass
class Node:
    """A spread that runs, on the installation's store."""

    issuer: str
    store: Store
    spread: NatsSpread
    heard: list[float] = field(default_factory=list)

    async def revoke(self, *names: str) -> Stretch:
        """Append, number and tell, as `flows.env.sequence` does."""
        entries = [Entry("sid", digest(self.issuer, "sid", name), None, NOW + 1000) for name in names]
        async with self.store.begin() as tx:
            await feed_rows.append(tx, entries)
        stretch = await self.store.write(feed_rows.sequence)
        self.spread.tell(stretch)
        return stretch


class Subscriber:
    """Whatever is said about an issuer, verified."""

    def __init__(self, issuer: str, key: Key) -> None:
        self.issuer, self.keys = issuer, jwks.of(key)
        self.batches: list[Batch] = []
        self.subjects: list[str] = []

    async def hear(self, message: Msg) -> None:
        self.subjects.append(message.subject.rpartition(".")[2])
        with suppress(Malformed):  # what somebody shouts
            self.batches.append(feedbatch.unseal(message.data, self.keys, issuer=self.issuer, now=NOW * 1000))

    @property
    def news(self) -> list[Batch]:
        return [batch for batch in self.batches if not batch.is_beat]

    @property
    def beats(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.is_beat]


KEY = new_key("ES256", "k1")


@pytest.fixture
def issuer(tmp_path: Path) -> str:
    """Another one for each test: the server is shared."""
    return f"https://auth.example.com/{tmp_path.name}"


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = open_store(":memory:")
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()


@asynccontextmanager
async def running(
    issuer: str, store: Store, *urls: str, signing: Callable[[], Key] = lambda: KEY
) -> AsyncIterator[Node]:
    spread = NatsSpread(urls or (server_url(),), issuer=issuer, store=store, signing=signing, clock=lambda: NOW)
    node = Node(issuer, store, spread)
    task = asyncio.create_task(spread.run(lambda: node.heard.append(asyncio.get_running_loop().time())))
    try:
        yield node
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await spread.close()
        await spread.close()


@asynccontextmanager
async def subscribed(issuer: str, url: str = "") -> AsyncIterator[Subscriber]:
    made = Subscriber(issuer, KEY)
    client = Client()
    await client.connect(url or server_url())
    await client.subscribe(feedbatch.subject(issuer, feedbatch.EVERY), cb=made.hear)
    await client.flush()
    try:
        yield made
    finally:
        await client.close()


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for is somebody else's
            await asyncio.sleep(0.01)


# --- to guards


async def test_what_got_a_number_is_published_signed(issuer: str, store: Store) -> None:
    async with subscribed(issuer) as guard, running(issuer, store) as node:
        await until(lambda: guard.beats)
        await node.revoke("s1", "s2")
        stretch = await node.revoke("s3")
        await until(lambda: guard.news and guard.news[-1].reached.seq == 3)

    assert guard.news[0].after.seq == 0
    assert {entry.digest for batch in guard.news for entry in batch.entries} == {
        digest(issuer, "sid", name) for name in ("s1", "s2", "s3")
    }
    assert {batch.after.incarnation for batch in guard.batches} == {stretch.incarnation}
    assert {"beat", "news"} == set(guard.subjects)


async def test_a_beat_says_how_far_the_feed_reaches_whoever_numbered_it(issuer: str, store: Store) -> None:
    async with subscribed(issuer) as guard, running(issuer, store):
        await until(lambda: guard.beats)
        await Node(issuer, store, silent(issuer, store)).revoke("s1", "s2")
        await until(lambda: guard.beats[-1].reached.seq == 2)

    assert guard.beats[0].reached.seq == 0
    assert guard.news == []
    assert all(batch.at == NOW * 1000 for batch in guard.beats)


def silent(issuer: str, store: Store) -> NatsSpread:
    return NatsSpread((server_url(),), issuer=issuer, store=store, signing=lambda: KEY, clock=lambda: NOW)


async def test_many_at_once_are_few_batches_without_a_hole(issuer: str, store: Store) -> None:
    async with subscribed(issuer) as guard, running(issuer, store) as node:
        await until(lambda: guard.beats)
        for number in range(300):
            await node.revoke(f"s{number}")
        await until(lambda: guard.news and guard.news[-1].reached.seq == 300)

    assert [batch.after for batch in guard.news[1:]] == [batch.reached for batch in guard.news[:-1]]
    assert sum(len(batch.entries) for batch in guard.news) == 300
    assert len(guard.news) < 150


async def test_another_life_of_the_feed_is_not_mixed_with_the_last_one(issuer: str, store: Store) -> None:
    spread = silent(issuer, store)

    spread.tell(Stretch("i1", 5, 7))
    spread.tell(Stretch("i1", 8, 9))
    spread.tell(Stretch("i1", 7, 8))
    together = spread._waiting
    spread.tell(Stretch("i2", 0, 1))

    assert together == Stretch("i1", 5, 9)
    assert spread._waiting == Stretch("i2", 0, 1)


async def test_masses_are_left_to_http(issuer: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_module, "MASSES", 10)
    async with subscribed(issuer) as guard, running(issuer, store) as node:
        await until(lambda: guard.beats)
        await node.revoke(*(f"s{number}" for number in range(11)))
        await until(lambda: guard.beats[-1].reached.seq == 11)
        await node.revoke("s11")
        await until(lambda: guard.news)

    assert [(batch.after.seq, batch.reached.seq) for batch in guard.news] == [(11, 12)]


async def test_without_keys_nothing_is_said_until_they_are_there(
    issuer: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[Key] = []

    def signing() -> Key:
        if not found:
            raise Unavailable("the keys have not been loaded yet")
        return found[0]

    async with subscribed(issuer) as guard, running(issuer, store, signing=signing) as node:
        await node.revoke("s1")
        await asyncio.sleep(1.2)
        assert guard.batches == []
        found.append(KEY)
        await node.revoke("s2")
        await until(lambda: guard.news and guard.beats)

    assert [record.getMessage() for record in caplog.records if record.name == "jotgate.nats"] == [
        "news cannot be spread over NATS now: the keys have not been loaded yet"
    ]


# --- to other nodes


async def test_other_nodes_hear_that_there_is_something_and_the_teller_does_not(issuer: str, store: Store) -> None:
    async with running(issuer, store) as here, running(issuer, store) as there, subscribed(issuer) as guard:
        await until(lambda: len(guard.beats) >= 4)  # both of them
        assert (here.heard, there.heard) == ([], [])

        await here.revoke("s1")
        await until(lambda: there.heard)

    assert here.heard == []


async def test_who_shouts_all_the_time_is_heard_twenty_times_a_second(issuer: str, store: Store) -> None:
    async with running(issuer, store) as node, subscribed(issuer) as guard:
        await until(lambda: guard.beats)
        client = Client()
        await client.connect(server_url())
        for _ in range(500):
            await client.publish(feedbatch.subject(issuer, feedbatch.NEWS), b"hello")
            await asyncio.sleep(0.001)
        await client.flush()
        await until(lambda: node.heard)
        await asyncio.sleep(0.2)
        await client.close()

    gaps = [later - earlier for earlier, later in zip(node.heard, node.heard[1:], strict=False)]
    assert all(gap >= 0.045 for gap in gaps)


async def test_a_flood_is_left_alone(
    issuer: str, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nats_module, "FLOOD", 500)
    async with running(issuer, store), subscribed(issuer) as guard:
        await until(lambda: guard.beats)
        client = Client()
        await client.connect(server_url())
        for _ in range(6):  # whenever a second begins
            await client.publish(feedbatch.subject(issuer, feedbatch.NEWS), bytes(900_000))
        await client.flush()
        await client.close()
        await until(lambda: "more came than nodes can say" in caplog.text)
        await asyncio.sleep(0.2)  # what was on its way
        beats = len(guard.beats)
        await asyncio.sleep(0.8)

    assert len(guard.beats) == beats


# --- the server goes


@pytest.fixture
def own() -> Iterator[Nats]:
    with running_nats() as server:
        yield server


async def test_a_killed_server_is_found_again(
    issuer: str, store: Store, own: Nats, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(issuer, store, own.url) as node:
        async with subscribed(issuer, own.url) as guard:
            await until(lambda: guard.beats)
        own.kill()
        await node.revoke("s1")
        await asyncio.sleep(0.5)
        own.start()
        async with subscribed(issuer, own.url) as guard:
            await until(lambda: guard.beats)
            await node.revoke("s2")
            await until(lambda: guard.news and guard.news[-1].reached.seq == 2)

    said = [record for record in caplog.records if record.name.startswith(("jotgate", "nats"))]
    assert len(said) == 1
    assert said[0].levelno == logging.WARNING


async def test_without_a_server_nobody_waits(issuer: str, store: Store, own: Nats) -> None:
    own.kill()
    async with running(issuer, store, own.url) as node:
        begun_at = asyncio.get_running_loop().time()
        for number in range(50):
            await node.revoke(f"s{number}")

        assert asyncio.get_running_loop().time() - begun_at < 10


async def test_without_nats_py_it_says_what_to_install(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_module, "find_spec", lambda _name: None)

    with pytest.raises(StartError, match=r"pip install 'jotgate\[nats\]'"):
        NatsSpread((), issuer="", store=store, signing=lambda: KEY, clock=lambda: NOW)
