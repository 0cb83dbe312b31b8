"""The watch over connections that last: each is looked at again as if it were a request that brings the same token.

    since it was last looked at                           connection
    --------------------------------------------------    ------------------------------------------------
    nothing has changed                                   goes on, and costs nothing
    its token expired                                     ends: token_expired
    news or keys came, and its token is still good        goes on
    news or keys came, and it would be refused now        ends: token_revoked, claims_stale, ...
    `on_stale="deny"`, and the news grew too old          ends: news_stale
    `on_stale="serve"`, and there are no news             goes on until its token expires
    keys have to come first                               goes on; they are asked for, and it is looked at again

One timer for each guard and loop, while there is anything to watch. Many connections are looked at in slices, between
which the loop does its other work.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Final

from jotgate.errors import JotgateError, Unavailable
from jotgate.guard.guard import Guard, Remembered
from jotgate.guard.known import NeedKeys

TICK_SECONDS: Final = 0.2
SLICE_SECONDS: Final = 0.005

log = logging.getLogger("jotgate.guard")


class Stay:
    """One connection's token. `over` says why it ended; `ended` is called then, once, in the loop."""

    __slots__ = ("_ended", "_guard", "_kept", "_watch", "over", "token", "until")

    def __init__(self, guard: Guard, token: str, *, ended: Callable[[JotgateError], object]) -> None:
        self._guard = guard
        self._ended = ended
        self._kept: Remembered | None = None
        self.token = token
        self.until = 0.0  # when it is to be looked at, whatever happens before
        self.over: JotgateError | None = None
        self._watch = _watch(guard)
        self._watch.add(self)

    def renew(self, token: str) -> None:
        """From now on it lasts by this token."""
        self.token, self._kept, self.until = token, None, 0.0
        self._watch.hurry()

    def leave(self) -> None:
        """The connection ends by itself."""
        self._watch.discard(self)

    def look(self, *, now: float) -> None:
        """End it, if it would be refused now."""
        try:
            found = self._guard.weigh(self.token, self._kept, now=now)
        except JotgateError as error:
            self._end(error)
        except Exception:  # what is not known to be good ends, and the others are looked at all the same
            log.exception("looking at a connection again")
            self._end(Unavailable("the token cannot be looked at"))
        else:
            self._go_on(found)

    def _go_on(self, found: Remembered | NeedKeys) -> None:
        if isinstance(found, NeedKeys):
            self._guard.arrivals(found)
            self.until = 0.0
        else:
            self._kept, self.until = found, found[1]

    def _end(self, error: JotgateError) -> None:
        self._watch.discard(self)
        self.over = error
        self._ended(error)


class Watch:
    """All stays of one guard in one loop."""

    def __init__(self, guard: Guard, loop: asyncio.AbstractEventLoop) -> None:
        self._guard = guard
        self._loop = loop
        self._stays: set[Stay] = set()
        self._timer: asyncio.Handle | None = None
        self._stamp: object = None
        self._second = 0.0

    def add(self, stay: Stay) -> None:
        """Watch it from now on."""
        self._stays.add(stay)
        self.hurry()
        if self._timer is None:
            self._stamp = self._guard.stamp
            self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def discard(self, stay: Stay) -> None:
        """Do not watch it any more. Without any the timer stops."""
        self._stays.discard(stay)
        if not self._stays and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            _watches.pop((self._guard, self._loop), None)

    def hurry(self) -> None:
        """Something is to be looked at with the next tick."""
        self._second = 0.0

    def _tick(self) -> None:
        """Find what is to be looked at: after news all, else those whose time has come, once a second."""
        stamp, now = self._guard.stamp, self._guard.clock()
        if stamp != self._stamp:
            self._stamp = stamp
            due = list(self._stays)
        elif now // 1 != self._second:
            due = [stay for stay in self._stays if stay.until <= now]
        else:
            due = []
        self._second = now // 1
        self._look(iter(due))

    def _look(self, due: Iterator[Stay]) -> None:
        """A slice of them, and the next one when the loop has done its other work."""
        now, pause_at = self._guard.clock(), perf_counter() + SLICE_SECONDS
        for stay in due:
            if stay in self._stays:
                stay.look(now=now)
                if perf_counter() >= pause_at:
                    self._timer = self._loop.call_soon(self._look, due)
                    return
        if self._stays:
            self._timer = self._loop.call_later(TICK_SECONDS, self._tick)


_watches: dict[tuple[Guard, asyncio.AbstractEventLoop], Watch] = {}


def _watch(guard: Guard) -> Watch:
    key = (guard, asyncio.get_running_loop())
    found = _watches.get(key)
    if found is None:
        found = _watches[key] = Watch(*key)
    return found
