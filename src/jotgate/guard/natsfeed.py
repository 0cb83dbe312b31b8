"""The feed over NATS: a thread with a loop of its own that hands over what comes in.

    event                               what happens
    --------------------------------    ---------------------------------------------------------
    `begin`, unless it runs             the thread starts, and connects for ever and again
    a message                           `batches` takes it, in this thread
    no connection, or a lost one        `lost` is called, which makes the guard ask over HTTP
    `end`                               the thread ends, and closes its connection itself
    a fork                              the child forgets the thread; `begin` starts another one

Needs nats-py: `jotgate.guard.ear` imports this file where a guard was told of a server.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Final, Literal

from jotgate.errors import Unavailable
from jotgate.guard.batches import Batches
from jotgate.wire import feedbatch, natsline

_PENDING_MESSAGES: Final = 4096  # what comes while these wait is lost, and missed with the next beat
_PENDING_BYTES: Final = 16 << 20
_SUBSCRIBE_SECONDS: Final = 3

_left_behind: list[object] = []  # loops of a parent: who closed them would close the parent's


class NatsFeed:
    """One issuer's news over NATS. Implements `ear.Ear`."""

    def __init__(self, servers: Sequence[str], batches: Batches, *, lost: Callable[[], None]) -> None:
        """`lost` is called when nothing comes any more."""
        self._servers = servers
        self._batches = batches
        self._lost = lost
        self._run: _Run | None = None
        self.state: Literal["away", "open"] = "away"
        self.problem = ""

    @property
    def refused(self) -> int:
        """How many messages were not believed."""
        return self._batches.refused

    def begin(self) -> None:
        """Start the thread, unless it runs."""
        if self._run is not None and self._run.thread.is_alive():
            return
        run = _Run(self._listen)
        with suppress(RuntimeError):  # out of threads, or going down: HTTP does as well, and it is tried again
            run.thread.start()
            self._run = run

    def end(self) -> None:
        """Let the thread end. Waits for nothing."""
        if self._run is not None:
            self._run.end()

    def after_fork(self) -> None:
        """In the child: thread, loop and connection are the parent's."""
        _left_behind.append(self._run)
        self._run = None
        self.state = "away"

    async def _listen(self) -> None:
        await natsline.keep(self._servers, name="jotgate-guard", work=self._work, trouble=self._trouble)

    async def _work(self, line: Any) -> None:
        enough = asyncio.Event()
        reasons: list[Unavailable] = []

        async def hear(message: Any) -> None:
            try:
                if not reasons:
                    self._batches.take(message.data, is_beat=message.subject.endswith(feedbatch.BEAT))
            except Unavailable as error:
                reasons.append(error)
                enough.set()

        await line.subscribe(
            feedbatch.subject(self._batches.issuer, feedbatch.EVERY),
            cb=hear,
            pending_msgs_limit=_PENDING_MESSAGES,
            pending_bytes_limit=_PENDING_BYTES,
        )
        await line.flush(_SUBSCRIBE_SECONDS)  # the server has heard of it
        self.state, self.problem = "open", ""
        try:
            await enough.wait()
            raise reasons[0]
        finally:
            self.state = "away"

    def _trouble(self, problem: str) -> None:
        self.problem = problem
        self._lost()


class _Run:
    """A thread, its loop, and how to end both."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._cancel: Callable[[], object] | None = None
        self._is_over = False
        self.thread = Thread(target=self._go, name="jotgate-nats", daemon=True)

    def end(self) -> None:
        """From any thread, and from the garbage collector."""
        self._is_over = True
        if self._cancel is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._cancel()

    def _go(self) -> None:
        # Python's own loop, whatever the application has installed: it is known to survive a fork.
        with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        working = asyncio.ensure_future(self._work())
        self._cancel = partial(asyncio.get_running_loop().call_soon_threadsafe, working.cancel)
        if self._is_over:  # before that could be called
            working.cancel()
        await working
