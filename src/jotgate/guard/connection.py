"""A connection that lasts no longer than its token: the two ends of it that an application holds.

    the token is over, and the application    what it sees
    --------------------------------------    -------------------------------------------------------------
    waits for something                       `Ended`, at once
    sends                                     `Ended`, which is an OSError, as when the other side has gone
    is in the middle of sending               that goes out first, and the farewell after it

Renewal: another good token of the same subject takes the place of the first one, from whatever session, if it has all
that was required of the first. Any other is refused, and the connection goes on as it was.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeVar

from jotgate.errors import JotgateError, SubjectMismatch
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal, Requirement
from jotgate.guard.waiting import awaited
from jotgate.guard.watch import Stay

FAREWELL_SECONDS: Final = 2.0
_OPEN: Final = "jotgate.connections"

Got = TypeVar("Got")
log = logging.getLogger("jotgate.guard")


class Ended(ConnectionAbortedError):  # noqa: N818  # as in the tree of errors
    """The token of this connection is over: `code` and `reason` are what the other side was told."""

    def __init__(self, why: JotgateError) -> None:
        super().__init__(f"the connection was ended: {why.code}")
        self.code = 4000 + why.status
        self.reason = why.code


class Connection:
    """`farewell` tells the other side; it is called once at most, and never while something is being sent."""

    def __init__(
        self,
        guard: Guard,
        token: str,
        principal: Principal,
        *,
        farewell: Callable[[JotgateError], Awaitable[None]],
    ) -> None:
        """For the running loop, which watches it until `leave`."""
        self._guard = guard
        self._farewell = farewell
        self._principal = principal
        self._demands: list[Requirement] = []
        self._lock = asyncio.Lock()
        self._waiting: set[asyncio.Timeout] = set()
        self._closing: asyncio.Task[None] | None = None
        self._stay = Stay(guard, token, ended=self._end)

    @property
    def over(self) -> JotgateError | None:
        """Why it ended, if its token did that."""
        return self._stay.over

    def demand(self, requirement: Requirement) -> None:
        """Every token that it is renewed with must have this as well."""
        self._demands.append(requirement)

    def leave(self) -> None:
        """It ends by itself, or has ended."""
        self._stay.leave()

    async def close(self) -> None:
        """The same; a farewell that has begun is waited for."""
        self.leave()
        await self.settled()

    async def send(self, pass_on: Callable[[], Awaitable[None]]) -> None:
        """Send something, one after the other. Raises `Ended`."""
        if self.over is None:
            async with self._lock:
                if self.over is None:
                    await pass_on()
                    return
        raise await self._ended()

    async def unless_over(self, wait: Callable[[], Awaitable[Got]]) -> Got:
        """What is waited for; that is cancelled when the token is over. Raises `Ended` once the other side was told."""
        if self.over is None:
            try:
                async with asyncio.timeout(None) as limit:
                    self._waiting.add(limit)
                    try:
                        return await wait()
                    finally:
                        self._waiting.discard(limit)
            except TimeoutError:
                if not limit.expired():
                    raise
        raise await self._ended()

    async def _ended(self) -> Ended:
        assert self.over is not None
        await self.settled()
        return Ended(self.over)

    async def settled(self) -> None:
        """Until the farewell was said, where there is one to say; the other side may delay that for a while only."""
        if self._closing is not None:
            await asyncio.wait({self._closing}, timeout=FAREWELL_SECONDS)

    async def renew(self, token: str) -> Principal:
        """Last by this token from now on.

        Raises:
            TokenError, Forbidden, StepUpRequired, Unavailable: it is refused; `SubjectMismatch` is somebody else's.
        """
        principal = await awaited(lambda: self._guard.check(token, now=self._guard.clock()), self._guard.arrivals)
        if principal.sub != self._principal.sub:
            raise SubjectMismatch("the connection was opened by another subject")
        for requirement in self._demands:
            requirement.check(principal, now=self._guard.clock())
        if self.over is not None:
            raise self.over
        self._stay.renew(token)
        return principal

    def _end(self, error: JotgateError) -> None:
        loop = asyncio.get_running_loop()
        self._closing = loop.create_task(self._say_farewell(error))
        for limit in self._waiting:
            limit.reschedule(loop.time())

    async def _say_farewell(self, error: JotgateError) -> None:
        try:
            async with self._lock:
                await self._farewell(error)
        except Exception as problem:  # noqa: BLE001  # a server may raise anything for a peer that has gone
            log.debug("closing a connection: %r", problem)


def register(scope: MutableMapping[str, Any], guard: Guard, connection: Connection) -> None:
    """Let it be found by `connection_of`."""
    scope.setdefault(_OPEN, {})[guard] = connection


def connection_of(scope: MutableMapping[str, Any], guard: Guard) -> Connection | None:
    """What this guard watches there."""
    found: Connection | None = scope.get(_OPEN, {}).get(guard)
    return found
