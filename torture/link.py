"""The network between two processes: TCP through here, until it is cut.

    cut            bytes to the server    answers      what was under way when it heals
    ---            -------------------    -------      --------------------------------
    freeze         held                   held         arrives late, as TCP sends it again
    swallow        pass                   held         the server has done what its client did not hear of
    forget         held                   held         never arrives: a firewall has lost the connections, silently

Nothing is refused and nothing is reset while it is cut: new connections are taken, and nobody speaks. `delay` makes
every piece of a conversation late by so many seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

Cut = Literal["freeze", "swallow", "forget"]
CUTS: tuple[Cut, ...] = ("freeze", "swallow", "forget")
_PIECE_BYTES = 65_536
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Opener = Callable[[], Awaitable[Streams]]


class Link:
    """Listens on a port of its own and leads to where `onward` opens a connection."""

    def __init__(self, onward: Opener) -> None:
        self.port = 0
        self.delay = 0.0
        self._onward = onward
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._there.set()
        self._back.set()
        self._lost: set[asyncio.Task[None]] = set()  # connections that are silent for ever
        self._open: set[asyncio.Task[None]] = set()

    def cut(self, how: Cut) -> None:
        """From now on nobody hears of anybody."""
        self._back.clear()
        if how != "swallow":
            self._there.clear()
        if how == "forget":
            self._lost |= self._open

    def heal(self) -> None:
        """As before."""
        self._there.set()
        self._back.set()

    async def hang_up(self) -> None:
        """End every connection."""
        await end(self._open)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        onward: asyncio.StreamWriter | None = None
        try:
            await self._there.wait()
            await self._silent_if_lost(task)
            answers, onward = await self._onward()
            await _first(self._carry(task, reader, onward, self._there), self._carry(task, answers, writer, self._back))
        except (OSError, asyncio.CancelledError):
            pass  # one of the two hung up, or it is the end
        finally:
            self._open.discard(task)
            self._lost.discard(task)
            for one in (writer, onward):
                if one is not None:
                    one.close()

    async def _carry(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: asyncio.Event
    ) -> None:
        while True:
            piece = await reader.read(_PIECE_BYTES)
            if self.delay:
                await asyncio.sleep(self.delay)
            await way.wait()
            await self._silent_if_lost(task)
            if not piece:
                return
            writer.write(piece)
            await writer.drain()

    async def _silent_if_lost(self, task: asyncio.Task[None]) -> None:
        if task in self._lost:
            await asyncio.Event().wait()


@asynccontextmanager
async def linked(onward: Opener) -> AsyncIterator[Link]:
    """A link that listens."""
    link = Link(onward)
    server = await asyncio.start_server(link.connected, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        await link.hang_up()


def to(port: int) -> Opener:
    """What leads to a port of this machine."""
    return partial(asyncio.open_connection, "127.0.0.1", port)


async def _first(*ways: Coroutine[Any, Any, None]) -> None:
    """Both ways, until one of them is over."""
    carriers = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(carriers, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(carriers)


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel them and wait for that."""
    ending = tuple(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
