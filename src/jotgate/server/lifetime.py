"""From start to stop: opens what the issuer stands on, keeps the work in the background going, and gives it all back.

    start     by the server's lifespan, or by the first request; a start that failed is tried again after a second
    retire    by who runs us and goes on serving for a while: not ready, connections are closed behind their answers
    drain     when the process is told to stop, however we were started: the same, and who waits for news is answered
    stop      by the lifespan: the work in the background ends, the database is closed

An event loop that is not the one of the start means that the first one is gone (test clients make one for each
request): what was opened in it is left behind and opened anew.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress

from starlette.types import Receive, Send

from jotgate.errors import JotgateError
from jotgate.flows.env import Env
from jotgate.server import background, signals
from jotgate.server.gate import Gate

_log = logging.getLogger("jotgate")
_RETRY_SECONDS = 1.0
Opener = Callable[[], AbstractAsyncContextManager[Env]]


class Lifetime:
    """One start at a time, whoever asks for it."""

    def __init__(self, gate: Gate, opener: Opener) -> None:
        self._gate = gate
        self._opener = opener
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self._stack = AsyncExitStack()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def started(self) -> bool:
        """Whether requests of this event loop can be served."""
        return self._gate.is_open and self._loop is asyncio.get_running_loop()

    async def start(self) -> None:
        """Return once everything is open. Raises `StartError`, `Unavailable`."""
        loop = asyncio.get_running_loop()
        if self._start is None or self._loop is not loop or (self._failed() and loop.time() >= self._retry_at):
            self._loop = loop
            self._start = loop.create_task(self._open())
        await asyncio.shield(self._start)

    def retire(self) -> None:
        """Not ready any more; everything else goes on."""
        self._gate.draining = True
        self._gate.meters.ready.set(0)

    def drain(self) -> None:
        """Nobody waits any more."""
        self.retire()
        if self._gate.is_open:
            self._gate.env.feed.close()

    async def stop(self) -> None:
        """Calling twice is fine."""
        signals.forget(self._told_to_stop)
        self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = ()
        self._gate.close()
        self._start = None
        await self._stack.aclose()

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """The ASGI lifespan protocol."""
        await receive()
        try:
            await self.start()
        except JotgateError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _failed(self) -> bool:
        return self._start is not None and self._start.done() and self._start.exception() is not None

    async def _open(self) -> None:
        stack = AsyncExitStack()
        try:
            env = await stack.enter_async_context(self._opener())
        except JotgateError:
            self._retry_at = asyncio.get_running_loop().time() + _RETRY_SECONDS
            raise
        self._stack = stack
        self._gate.open(env)
        self._tasks = background.begin(env)
        signals.listen(self._told_to_stop)

    def _told_to_stop(self) -> None:
        """In a signal handler, at any time."""
        with suppress(RuntimeError):  # that event loop is closed, and nobody waits in it
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.drain)
