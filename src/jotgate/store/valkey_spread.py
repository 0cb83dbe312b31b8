"""News between nodes by Valkey's publish and subscribe: "look at your database", at most every 20 ms, nothing more.

Nothing that comes over it is believed, and nothing is lost with it: each node looks by itself every 200 ms. In a
cluster a message that one server hears reaches those who listen at any.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from jotgate.store.ports import Stretch
from jotgate.store.valkey import Attendance, Client, connect_to_one, hang_up

_QUIET = 2.0  # seconds without a word, then it is asked whether it is there; twice that, and it is not
_APART = 0.02  # seconds between two wake-ups, between two words of ours
_AGAIN = 0.5  # seconds before it is tried again, on average
_WORK = "spread"


class ValkeySpread:
    """Implements `ports.Spread`. `channel`: of the installation; `node`: a name of this process alone."""

    def __init__(self, url: str, channel: str, *, node: str, attendance: Attendance) -> None:
        self._url = url
        self._channel = channel
        self._node = node.encode()
        self._attendance = attendance
        self._news = asyncio.Event()

    async def run(self, heard: Callable[[], None]) -> None:
        """Connect, for ever and again; `heard` is called when another node may have news in the database."""
        echo = _Echo(heard)
        while True:
            try:
                await self._talk(echo)
            except Exception as error:  # noqa: BLE001  # whatever a driver raises, the next try may work
                self._attendance.away(_WORK, error)
            await asyncio.sleep(_AGAIN * (0.5 + random.random()))  # noqa: S311 - nodes apart, not to be secret

    def tell(self, _stretch: Stretch) -> None:
        """Send soon; waits for nothing and raises nothing."""
        self._news.set()

    async def close(self) -> None:
        """What `run` opened, it has closed."""

    async def _talk(self, echo: "_Echo") -> None:
        client = await connect_to_one(self._url)
        try:
            async with client.pubsub() as ear:
                await ear.subscribe(self._channel)
                speaking = asyncio.create_task(self._speak(client))
                try:
                    await self._listen(ear, echo, speaking)
                finally:
                    speaking.cancel()
                    await asyncio.gather(speaking, return_exceptions=True)
        finally:
            await hang_up(client)

    async def _listen(self, ear: Any, echo: "_Echo", speaking: "asyncio.Task[None]") -> None:
        asked = False
        while not speaking.done():
            message = await ear.get_message(timeout=_QUIET)
            if message is None:
                if asked:
                    raise TimeoutError("it does not answer")
                await ear.ping()
            elif message["type"] == "subscribe":  # what was said before, nobody heard
                self._attendance.back(_WORK)
                echo()
            elif message["type"] == "message" and message["data"] != self._node:
                echo()
            asked = message is None
        speaking.result()

    async def _speak(self, client: Client) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await client.publish(self._channel, self._node)
            await asyncio.sleep(_APART)


class _Echo:
    """Calls at once, then not again for a moment: however many speak, nobody is kept busy."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._again: asyncio.TimerHandle | None = None
        self._waiting = False

    def __call__(self) -> None:
        if self._again is not None:
            self._waiting = True
            return
        self._heard()
        self._again = asyncio.get_running_loop().call_later(_APART, self._later)

    def _later(self) -> None:
        self._again = None
        if self._waiting:
            self._waiting = False
            self()
