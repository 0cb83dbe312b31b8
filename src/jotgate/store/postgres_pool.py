"""Connections to PostgreSQL: few, kept open, each used by one at a time; leaner than asyncpg's pool, and in a hurry.

a connection                                    what becomes of it
------------                                    ------------------
its statements were answered                    the next one has it, as it is: no RESET, no round trip
who used it was cancelled, or waited too long   closed: nobody knows what the server still does with it
unused for 5 minutes, or an hour old            closed instead of being used again
unused since before another one fell silent     closed instead of being used again
is not there within a second of being opened    another one is begun beside it: the network may be back
cannot be opened, and there is no other         Unavailable at once
is not free within 2 s                          Unavailable
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from jotgate.errors import Unavailable

Connection = Any  # asyncpg has no types

_WAIT_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_HURRY_SECONDS = 1.0
_REST_SECONDS = 0.1  # after a connection could not be opened
_IDLE_SECONDS = 300.0  # firewalls forget connections in about that time
_LIFE_SECONDS = 3600.0  # names move to other servers; plans grow old


class Pool:
    """Of at most `size` connections. Used from one event loop."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._idle: list[tuple[Connection, float]] = []  # and since when; the last one is the next one
        self._opened: dict[Connection, float] = {}  # all that are open, and since when
        self._opening: dict[asyncio.Task[None], float] = {}
        self._waiting: deque[tuple[asyncio.Future[Connection], float]] = deque()  # and until when
        self._looking: asyncio.TimerHandle | None = None
        self._all_back: asyncio.Future[None] | None = None
        self._doubted = 0.0  # until when what was heard of a connection says nothing of it any more
        self._trouble = ""
        self._rest_until = 0.0
        self._closed = False

    def __len__(self) -> int:
        return len(self._opened)

    async def begin(self) -> Connection:
        """The first connection, to be given back. Raises whatever stands in the way of it."""
        connection = await self._connect()
        self._opened[connection] = monotonic()
        return connection

    def free(self) -> Connection | None:
        """A connection that nobody uses, if there is one; to be given back."""
        while self._idle:
            connection, since = self._idle.pop()
            if since > max(self._doubted, monotonic() - _IDLE_SECONDS) and not connection.is_closed():
                return connection
            self.drop(connection)
        return None

    async def wait(self) -> Connection:
        """A connection when it is one's turn; to be given back. Raises `Unavailable`."""
        if self._closed or (not self._opened and monotonic() < self._rest_until):
            raise Unavailable(f"PostgreSQL: {self._trouble}")
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append((mine, monotonic() + _WAIT_SECONDS))
        if self._looking is None:
            self._look()
        else:
            self._grow()
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                self.give(mine.result())
            raise

    def give(self, connection: Connection) -> None:
        """Done with it, and it is as good as before."""
        now = monotonic()
        if self._closed or connection.is_closed() or now - self._opened[connection] > _LIFE_SECONDS:
            self.drop(connection)
            return
        while self._waiting:
            next_one, _ = self._waiting.popleft()
            if not next_one.done():
                next_one.set_result(connection)
                return
        self._idle.append((connection, now))

    def doubt(self, since: float) -> None:
        """Nobody has heard anything since then, or nothing good: whatever was given back before is not used again."""
        self._doubted = max(self._doubted, since)

    def drop(self, connection: Connection) -> None:
        """Done with it for good."""
        del self._opened[connection]
        connection.terminate()
        if self._all_back and not self._opened and not self._all_back.done():
            self._all_back.set_result(None)
        self._grow()

    async def close(self, *, patience_seconds: float) -> None:
        """Wait for who is still at work, a while, then close; whoever comes later gets `Unavailable`."""
        self._closed, self._trouble = True, "the database is closed"
        self._refuse_all()
        for task in self._opening:
            task.cancel()
        while self._idle:
            self.drop(self._idle.pop()[0])
        if self._opened:
            self._all_back = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._all_back,), timeout=patience_seconds)
        for connection in [*self._opened]:
            self.drop(connection)
        await asyncio.sleep(0)  # what was closed is closed in the loop's next round

    def _look(self) -> None:
        """Now and then, while somebody waits: nobody waits for too long, nor for connections that hang."""
        now = monotonic()
        while self._waiting and (self._waiting[0][0].done() or self._waiting[0][1] < now):
            waiter, _ = self._waiting.popleft()
            if not waiter.done():
                busy = f"no connection was free for {_WAIT_SECONDS:.0f} s, {len(self)} are in use"
                waiter.set_exception(Unavailable(f"PostgreSQL: {busy}"))
        self._grow()
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(_LOOK_SECONDS, self._look) if self._waiting else None

    def _grow(self) -> None:
        """Begin to open as many connections as somebody waits for and there is room for."""
        wanted = min(len(self._waiting), self._size - len(self._opened))
        now = monotonic()
        if not wanted or self._closed or now < self._rest_until:
            return
        late = self._late()
        hopeful = len(self._opening) - len(late)
        for _ in range(min(wanted, 1 if late else wanted) - hopeful):
            self._opening[asyncio.create_task(self._open(), name="jotgate connection")] = now

    def _late(self) -> list[asyncio.Task[None]]:
        """Who should have a connection by now."""
        began = monotonic() - _HURRY_SECONDS
        return [task for task, since in self._opening.items() if since < began]

    async def _open(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            connection = await self._connect()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no connection
            self._rest_until = monotonic() + _REST_SECONDS
            self._trouble = f"no connection: {type(error).__name__}: {error}"
            if not self._opened:
                self._refuse_all()
        else:
            self._take_in(connection, task)
            self._grow()
        finally:
            del self._opening[task]

    def _take_in(self, connection: Connection, task: asyncio.Task[None]) -> None:
        if self._closed or len(self._opened) >= self._size:
            connection.terminate()  # it was given up, and others came in its place
            return
        for late in {*self._late()} - {task}:
            late.cancel()
        self._opened[connection] = monotonic()
        self.give(connection)

    def _refuse_all(self) -> None:
        while self._waiting:
            waiter, _ = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(Unavailable(f"PostgreSQL: {self._trouble}"))
