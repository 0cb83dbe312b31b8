"""News over NATS: the entries that this node numbered, signed for guards, and a beat that says how far the feed goes.

    what                    when                                  by whom it is heard
    --------------------    ----------------------------------    ------------------------------
    a batch of entries      right after they got their numbers    guards; other nodes look anew
    a beat                  every half second                     guards

A beat is what the database said 100 ms earlier: what other nodes numbered until then is on its way. Nodes believe
nothing that they hear: it makes them look at the database, 20 times a second at most. What is told while a batch is
sent waits 10 ms and is one batch then. Entries in masses are left to HTTP, which the next beat makes guards ask. NATS
away: guards miss the beat. A node that hears more than any nodes can say leaves for half a minute.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final, Never

from jotgate.errors import JotgateError, StartError, Unavailable
from jotgate.jose.jwk import Key
from jotgate.store import feed
from jotgate.store.ports import Store, Stretch
from jotgate.wire import feedbatch
from jotgate.wire.feed import Cursor

GRACE_SECONDS: Final = 0.1
MASSES: Final = 10_000  # entries of one stretch that are not published
_TOGETHER_SECONDS: Final = 0.01
_HEARD_SECONDS: Final = 0.05
FLOOD: Final = 5000  # messages in a second, or 20 MB of them
_QUIET_SECONDS: Final = 30

_log = logging.getLogger("jotgate.nats")


class NatsSpread:
    """Implements `ports.Spread`."""

    def __init__(
        self,
        servers: Sequence[str],
        *,
        issuer: str,
        store: Store,
        signing: Callable[[], Key],
        clock: Callable[[], float],
    ) -> None:
        """`signing` gives the key that signs now. Raises `StartError` where nats-py is missing."""
        if find_spec("nats") is None:
            raise StartError("NATS_URL needs nats-py: pip install 'jotgate[nats]'")
        self._servers = servers
        self._issuer = issuer
        self._store = store
        self._signing = signing
        self._clock = clock
        self._waiting: Stretch | None = None
        self._told = asyncio.Event()
        self._failing = False

    async def run(self, heard: Callable[[], None]) -> None:
        """Publish what is told, and call `heard` when another node publishes; for ever."""
        natsline = await asyncio.to_thread(_natsline)  # others first

        async def work(line: Any) -> None:
            await self._work(line, heard)

        await natsline.keep(self._servers, name="jotgate", work=work, trouble=self._complain)

    def tell(self, stretch: Stretch) -> None:
        """Publish its entries soon, together with what waits: all numbers below it are committed, whoever gave them."""
        waiting = self._waiting
        if waiting is not None and waiting.incarnation == stretch.incarnation:
            stretch = Stretch(stretch.incarnation, min(waiting.after, stretch.after), max(waiting.head, stretch.head))
        self._waiting = stretch
        self._told.set()

    async def close(self) -> None:
        """What is open belongs to `run`, which closes it when it is cancelled."""

    # --- on a line

    async def _work(self, line: Any, heard: Callable[[], None]) -> None:
        ear = _Ear(heard)
        await line.subscribe(feedbatch.subject(self._issuer, feedbatch.NEWS), cb=ear.hear)
        self._failing = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publish_news(line))
                group.create_task(self._beat(line))
                group.create_task(ear.flood())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            ear.close()

    async def _publish_news(self, line: Any) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            stretch, self._waiting = self._waiting, None
            if stretch is not None and stretch.head - stretch.after <= MASSES:
                await self._unless_away(self._publish(line, stretch))
            await asyncio.sleep(_TOGETHER_SECONDS)

    async def _publish(self, line: Any, stretch: Stretch) -> None:
        at = self._now()
        rows = await feed.after(self._store.read(), stretch.after, MASSES, at // 1000)
        entries = [row for row in rows if row[0] <= stretch.head]
        after = Cursor(stretch.incarnation, stretch.after)
        for batch in feedbatch.seal(
            self._issuer, self._signing(), after=after, head=stretch.head, entries=entries, at=at
        ):
            await line.publish(feedbatch.subject(self._issuer, feedbatch.NEWS), batch)
            await asyncio.sleep(0)  # others first

    async def _beat(self, line: Any) -> None:
        while True:
            await self._unless_away(self._say_how_far(line))
            await asyncio.sleep(feedbatch.BEAT_SECONDS - GRACE_SECONDS)

    async def _say_how_far(self, line: Any) -> None:
        at = self._now()
        head, incarnation = await feed.head(self._store.read())
        await asyncio.sleep(GRACE_SECONDS)
        for beat in feedbatch.seal(
            self._issuer, self._signing(), after=Cursor(incarnation, head), head=head, entries=(), at=at
        ):
            await line.publish(feedbatch.subject(self._issuer, feedbatch.BEAT), beat)

    async def _unless_away(self, work: Awaitable[None]) -> None:
        """What needs the database or the keys is left out while they are away: guards ask over HTTP then."""
        try:
            await work
        except JotgateError as error:
            self._complain(error.detail)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _complain(self, problem: str) -> None:
        """Once, until there is a line again."""
        if not self._failing:
            _log.warning("news cannot be spread over NATS now: %s", problem)
        self._failing = True


def _natsline() -> ModuleType:
    from jotgate.wire import natsline

    return natsline


class _Ear:
    """Passes on that there was something to hear: at once, and then as often as a database takes it."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self._second = 0
        self._came = 0
        self._too_much = asyncio.Event()

    async def hear(self, message: Any) -> None:
        """A message came; what it says does not matter."""
        second = int(self._loop.time())
        if second != self._second:
            self._second, self._came = second, 0
        self._came += 1 + len(message.data) // 4096
        if self._came > FLOOD:
            self._too_much.set()
        if self._again is None:
            self._again = self._loop.call_at(max(self._loop.time(), self._quiet_until), self._pass_on)

    async def flood(self) -> Never:
        """Raises `Unavailable` when too much came."""
        await self._too_much.wait()
        raise Unavailable("more came than nodes can say", retry_after=_QUIET_SECONDS)

    def close(self) -> None:
        """Nobody listens any more."""
        if self._again is not None:
            self._again.cancel()

    def _pass_on(self) -> None:
        self._again = None
        self._quiet_until = self._loop.time() + _HEARD_SECONDS
        self._heard()
