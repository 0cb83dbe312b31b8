"""News between nodes by Valkey, and in a cluster."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from jotgate.store.ports import Stretch
from jotgate.store.valkey import Attendance, connect
from jotgate.store.valkey_spread import ValkeySpread
from tests.servers.valkey import Valkey, cluster_url, running_valkey, server_url
from tests.store.valkeys import until

pytestmark = pytest.mark.anyio

NEWS = Stretch("incarnation", 1, 2)
PATIENCE = 10.0


class Listener:
    """A node that notes what wakes it."""

    def __init__(self, url: str, channel: str) -> None:
        self.spread = ValkeySpread(url, channel, node=os.urandom(8).hex(), attendance=Attendance())
        self.woken = 0
        self._heard = asyncio.Event()

    def hear(self) -> None:
        self.woken += 1
        self._heard.set()

    async def wakes(self) -> None:
        """From the last time on."""
        async with asyncio.timeout(PATIENCE):
            await self._heard.wait()
        self._heard.clear()


@asynccontextmanager
async def listening(url: str, count: int = 2) -> AsyncIterator[list[Listener]]:
    """So many nodes of one installation, each of them connected."""
    channel = f"test:{os.urandom(8).hex()}"
    nodes = [Listener(url, channel) for _ in range(count)]
    tasks = [asyncio.create_task(node.spread.run(node.hear)) for node in nodes]
    try:
        for node in nodes:
            await node.wakes()  # as it does when it begins to listen
        yield nodes
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for node in nodes:
            await node.spread.close()


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.mark.parametrize("url", [server_url, cluster_url])
async def test_what_one_tells_wakes_all_others(url: Callable[[], str]) -> None:
    async with listening(url(), 4) as (teller, *others):
        teller.spread.tell(NEWS)

        for other in others:
            await other.wakes()
        await asyncio.sleep(0.1)
        assert teller.woken == 1


async def test_telling_without_a_connection_is_nothing() -> None:
    Listener("redis://127.0.0.1:1", "channel").spread.tell(NEWS)


async def test_whatever_is_said_says_only_that_there_is_news() -> None:
    async with listening(server_url(), 1) as (node,):
        stranger = connect(server_url())
        for word in (b"", b"\xff" * 100_000, b"{}", "ü"):
            await stranger.publish(node.spread._channel, word)
            await node.wakes()
        await stranger.aclose()


async def test_a_flood_keeps_nobody_busy() -> None:
    async with listening(server_url(), 1) as (node,):
        stranger = connect(server_url())
        began, before = time.monotonic(), node.woken
        for _ in range(2000):
            await stranger.publish(node.spread._channel, b"x")
        took = time.monotonic() - began
        await stranger.aclose()

        assert node.woken - before <= took / 0.02 + 2
        await node.wakes()


async def test_who_was_away_listens_again_and_looks(valkey: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jotgate.valkey")
    async with listening(valkey.url, 1) as (node,):
        valkey.kill()
        node.spread.tell(NEWS)
        await asyncio.sleep(1.5)
        valkey.start()

        await node.wakes()

    assert [message.split(",")[0] for message in caplog.messages] == ["Valkey is away", "Valkey is back"]


async def test_one_that_hangs_is_found_out_and_left(valkey: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    async with listening(valkey.url, 1) as (node,):
        valkey.hang()
        await until(lambda: bool(caplog.messages))
        valkey.go_on()

        await node.wakes()


async def test_whose_connection_is_cut_connects_again() -> None:
    async with listening(server_url(), 2) as (one, other):
        stranger = connect(server_url())
        await stranger.client_kill_filter(_type="pubsub")
        await stranger.aclose()

        for node in (one, other):
            await node.wakes()
        one.spread.tell(NEWS)
        await other.wakes()
