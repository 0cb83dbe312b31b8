"""A TCP relay before a real server, in a thread: it counts round trips, and is the network that fails.

told to      what happens
-------      ------------
cut          nothing passes any more, in silence; connections are still taken, as by a firewall that swallows packets
heal         new connections pass; those from before stay dead, as after a NAT has forgotten them
lose         the answer that holds these bytes does not arrive: the client's connection is reset instead
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit, urlunsplit


class Relay:
    """Between clients and the server at a URL of 127.0.0.1."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._parts, self._target = parts, (parts.hostname or "127.0.0.1", parts.port or 0)
        self.port = 0
        self.sent: list[bytes] = []  # what clients said at once: between two answers is a round trip
        self._loss = b""
        self._cut = False

    @property
    def url(self) -> str:
        """Where clients connect instead."""
        user = f"{self._parts.netloc.rpartition('@')[0]}@" if "@" in self._parts.netloc else ""
        return urlunsplit(self._parts._replace(netloc=f"{user}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """Nothing passes from now on."""
        self._cut = True

    def heal(self) -> None:
        """Connections that are opened from now on pass."""
        self._cut = False

    def lose(self, answer: bytes) -> None:
        """The next answer that holds this is lost, and the connection with it."""
        self._loss = answer

    def round_trips(self) -> int:
        """How many there were since the last call."""
        count, self.sent = len(self.sent), []
        return count

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self._cut:
                await self._between(reader, writer)
            await reader.read()  # swallowed, until the client hangs up
        except (OSError, asyncio.CancelledError):
            pass  # it is the end
        finally:
            writer.transport.abort()

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one of the two hangs up, or the network is cut: then the server hears nothing, even of the end."""
        their_reader, their_writer = await asyncio.open_connection(*self._target)
        listening = [True]
        ways = (
            asyncio.create_task(self._forth(reader, their_writer, listening)),
            asyncio.create_task(self._back(their_reader, writer, listening)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            cut = any(way.done() and way.exception() is None and way.result() for way in ways)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)  # of two that read from one stream one would fail
            if cut:
                await reader.read()
        finally:
            for way in ways:
                way.cancel()
            their_writer.transport.abort()
            writer.transport.abort()

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listening: list[bool]) -> bool:
        """True: the network was cut."""
        while data := await reader.read(2**16):
            if self._cut:
                return True
            if listening[0]:
                self.sent.append(b"")
                listening[0] = False
            self.sent[-1:] = [b"".join([*self.sent[-1:], data])]
            writer.write(data)
            await writer.drain()
        return False

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listening: list[bool]) -> bool:
        while data := await reader.read(2**16):
            if self._cut:
                return True
            if self._loss and self._loss in data:
                self._loss = b""
                return False
            listening[0] = True
            writer.write(data)
            await writer.drain()
        return False

    def run(self, ready: Event) -> None:
        """Serve in this thread until `stop` is called in another."""
        with suppress(asyncio.CancelledError):
            asyncio.run(self._run(ready))

    async def _run(self, ready: Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._ended.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.01)  # what they had open is closed in the loop's next rounds

    def stop(self) -> None:
        """Hang up on everybody."""
        self._loop.call_soon_threadsafe(self._ended.set)


@contextmanager
def relaying(url: str) -> Iterator[Relay]:
    """A relay that listens."""
    relay, ready = Relay(url), Event()
    thread = Thread(target=relay.run, args=(ready,), daemon=True)
    thread.start()
    assert ready.wait(10), "the relay does not listen"
    try:
        yield relay
    finally:
        relay.stop()
        thread.join(10)
