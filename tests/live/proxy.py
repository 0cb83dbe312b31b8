"""A reverse proxy in front of real servers, in a thread: counts what passes, and loses answers when it is told to.

    `lose` gives    what happens
    ------------    ------------
    None            the request is served
    "request"       it never arrives: the connection is closed at once
    "answer"        the server has answered, the client hears nothing of it
    "half"          the client gets the head, cookies and all, and half of the body

One request a connection: no client may take a lost answer for a connection that had gone idle, and quietly ask again.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Literal

Loss = Literal["request", "answer", "half"]
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that came by; header names in lower case, the path without its query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)


def nothing(_request: Passed) -> Loss | None:
    """Loses nothing."""
    return None


def every_second(path: str, *, loss: Loss = "answer", method: str = "POST") -> Callable[[Passed], Loss | None]:
    """Loses the first, the third, ... of these."""
    counted = itertools.count()

    def lose(request: Passed) -> Loss | None:
        mine = (request.method, request.path) == (method, path)
        return loss if mine and next(counted) % 2 == 0 else None

    return lose


def always(path: str, *, loss: Loss = "answer", method: str = "POST") -> Callable[[Passed], Loss | None]:
    """Loses all of these."""
    return lambda request: loss if (request.method, request.path) == (method, path) else None


class Proxy:
    """`backends`: the beginning of a path -> the port that serves it; the longest that fits is taken."""

    def __init__(self, backends: Mapping[str, int] | None = None) -> None:
        self.backends = dict(backends or {})
        self.lose: Callable[[Passed], Loss | None] = nothing
        self.slow: dict[str, float] = {}  # path -> seconds for which its answers are held back
        self.passed: list[Passed] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, path: str, *, method: str = "POST") -> int:
        """How many requests of these came by."""
        return sum((request.method, request.path) == (method, path) for request in list(self.passed))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await self._served(reader))
            await writer.drain()
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # one of the two hung up, or it is the end
        finally:
            writer.close()

    async def _served(self, reader: asyncio.StreamReader) -> bytes:
        """What the client gets to hear."""
        head = (await reader.readuntil(_HEAD_END)).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = first.split(" ")
        request = Passed(method, target.partition("?")[0], headers)
        self.passed.append(request)
        loss = self.lose(request)
        if loss == "request":
            return b""
        kept = [line for line in lines if line.partition(":")[0].lower() not in {"connection", "keep-alive"}]
        sent = "\r\n".join([first, *kept, "Connection: close"]).encode("latin-1") + _HEAD_END + body
        answer = await _asked(self._backend(request.path), sent)
        await asyncio.sleep(self.slow.get(request.path, 0))
        if loss is None:
            return answer
        start = answer.index(_HEAD_END) + len(_HEAD_END)
        return answer[: start + (len(answer) - start) // 2] if loss == "half" else b""

    def _backend(self, path: str) -> int:
        return self.backends[max((start for start in self.backends if path.startswith(start)), key=len)]

    def run(self, listening: Event) -> None:
        """Serve in this thread until `stop` is called in another."""
        asyncio.run(self._run(listening))

    async def _run(self, listening: Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        await self._ended.wait()
        server.close()

    def stop(self) -> None:
        """Hang up on everybody."""
        self._loop.call_soon_threadsafe(self._ended.set)


async def _asked(port: int, request: bytes) -> bytes:
    """The whole answer of a server that closes the connection behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


@contextmanager
def proxying(backends: Mapping[str, int] | None = None) -> Iterator[Proxy]:
    """A proxy that listens; its `backends` may change at any time."""
    proxy = Proxy(backends)
    listening = Event()
    thread = Thread(target=proxy.run, args=(listening,), daemon=True)
    thread.start()
    assert listening.wait(10), "the proxy does not listen"
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
