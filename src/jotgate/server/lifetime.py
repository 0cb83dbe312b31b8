"""From start to stop: opens what the issuer stands on, keeps the work in the background going, and gives it all back.

    start    by the server's lifespan, or by the first request; a start that failed is tried again after a second
    drain    when the process is told to stop: not ready, whoever waits for news is answered
    stop     by the lifespan: the work in the background ends, the database is closed

An event loop that is not the one of the start means that the first one is gone (test clients make one for each
request): what was opened in it is left behind and opened anew.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import FrameType
from typing import Any

from starlette.types import Receive, Send

from jotgate.errors import JotgateError
from jotgate.flows.env import Env
from jotgate.server import background
from jotgate.server.gate import Gate

_log = logging.getLogger("jotgate")
_RETRY_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
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
        self._handlers: dict[int, Any] = {}

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

    def drain(self) -> None:
        """Nobody waits any more."""
        self._gate.draining = True
        if self._gate.is_open:
            self._gate.env.feed.close()

    async def stop(self) -> None:
        """Calling twice is fine."""
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
        self._listen_for_signals()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._forget_signals()
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

    def _listen_for_signals(self) -> None:
        """Servers finish open requests before they end the lifespan, and a guard's wait is one: answer it right away.

        Only where the server has a handler of its own, which is called as before.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if callable(before):
                self._handlers[number] = before
                signal.signal(number, _after(before, lambda: loop.call_soon_threadsafe(self.drain)))

    def _forget_signals(self) -> None:
        for number, before in self._handlers.items():
            signal.signal(number, before)
        self._handlers.clear()


_Handler = Callable[[int, FrameType | None], Any]


def _after(before: _Handler, first: Callable[[], object]) -> _Handler:
    def handler(number: int, frame: FrameType | None) -> Any:
        first()
        return before(number, frame)

    return handler
