"""Reading the revocation feed: one question after the other, what is learnt, and when to ask again.

answer                       news         the next question
-------------------------    ---------    ----------------------------------------------
200, more to come            waiting      at once
200, all of it               open         at once; in a second if it came too soon
404, and never a page        absent       in a minute: tokens end at `exp`
anything else                failing      after a back-off; what is known stays

Where batches come by another way as well (`hear`), nothing is asked as long as they come, and nothing is missing:

batch, beat                  what follows
-------------------------    ---------------------------------------------------------------------------------
goes on where we are         learnt; nothing is asked
has less than we have        learnt again
begins beyond                learnt; what lies between is asked for at once
of another life              asked at once what it is about
names a key                  learnt; the whole snapshot is asked for, because what that key signed may be wrong
no beat for a second         asked as if there were no other way

Batches never move the cursor that is asked by, and once a minute it is asked all the same: whatever was wrong with them
is put right then.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from threading import Lock
from time import monotonic, time
from typing import Final
from urllib.parse import SplitResult, quote

from jotgate.errors import JotgateError, Unavailable
from jotgate.guard.fetch import Line
from jotgate.guard.keycache import backoff, dice
from jotgate.guard.observe import NEWS_ABSENT, NEWS_UNAVAILABLE, Told, unheard
from jotgate.guard.revoked import Revoked
from jotgate.wire import feed
from jotgate.wire.feedbatch import Batch

FEED_PATH: Final = "/revocations"
ANSWER_SECONDS: Final = 10.0  # that an answer may take beyond its waiting
NO_FEED_SECONDS: Final = 60.0  # the 404 may be that of a proxy whose issuer is not there yet
HASTE_SECONDS: Final = 1.0
GAP_SECONDS: Final = 0.25  # between two questions for what batches have not brought
SILENCE_SECONDS: Final = 1.0  # two beats
BEAT_AGE_SECONDS: Final = 1.0  # that a beat may have, and clocks may differ, for news to be called fresh
SYNC_SECONDS: Final = 60.0
FORGET_SECONDS: Final = 300.0

log = logging.getLogger("jotgate.guard")


class FeedRead:
    """One issuer's feed: asked for by one thread; another one may bring batches."""

    def __init__(
        self,
        issuer: SplitResult,
        *,
        token: str | None,
        poll_seconds: int,
        changed: Callable[[bool], None],
        told: Told = unheard,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` is called after something was learnt; True: a key was revoked. `wake`: it is time to `read`."""
        self._issuer = issuer
        self._headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
        self._poll_seconds = poll_seconds
        self._changed = changed
        self._told = told
        self._wake = wake
        self._lock = Lock()  # around what is learnt
        self._reached: feed.Cursor | None = None  # all is known up to here, whoever brought it
        self._anew = False  # the whole snapshot is wanted
        self._missing = False
        self._newest = 0  # of the instants of beats
        self._live_until = -math.inf
        self._sync_at = math.inf
        self._forget_at = monotonic() + FORGET_SECONDS
        self._ask_at = 0.0
        self._failures = 0
        self._closed = False
        self.line = Line(issuer)
        self.revoked = Revoked()
        self.state = "waiting"
        self.problem = ""
        self.known_at: float | None = None
        self.first: Future[None] = Future()  # done with the first answer that says all there is, or that there is none
        self.first.set_running_or_notify_cancel()

    def read(self, *, now: float) -> float:
        """Ask if it is time; the seconds until it is."""
        if self._due(now=now) <= 0:
            self._ask_at = self.ask() + monotonic()
        return max(0.0, self._due(now=monotonic()))

    def _due(self, *, now: float) -> float:
        ask_at = self._ask_at
        if self._reached is not None and not self._missing:
            ask_at = max(ask_at, min(self._live_until, self._sync_at))
        return ask_at - now

    def ask(self) -> float:
        """One question; the seconds before the next one."""
        begun_at = monotonic()
        self._missing = False
        try:
            page = self._page()
            if page is None and self.known_at is not None:  # a proxy without an issuer behind it, say
                raise Unavailable("the answer has status 404, and there was a feed before")
        except JotgateError as error:
            self._told("news", NEWS_UNAVAILABLE, monotonic() - begun_at)
            return self._failed(error.detail or error.description)
        self._told("news", NEWS_ABSENT if page is None else "", monotonic() - begun_at)
        if page is None:
            self._settle("absent", "")
            return NO_FEED_SECONDS
        return self._learn(page, begun_at=begun_at)

    def hear(self, batch: Batch, *, age: float) -> None:
        """Learn a batch that the issuer signed so many seconds ago."""
        with self._lock:
            before = self._anew
            missing = self._take(batch)
            if batch.is_beat and not missing and self._reached is not None and abs(age) <= BEAT_AGE_SECONDS:
                self._beat(batch, age=age)
        if batch.entries:
            self._changed(self._anew and not before)
        if missing:
            self._missing = True
            self._wake()

    def alone(self) -> None:
        """No batches come any more: ask."""
        if self._live_until > -math.inf:
            self._live_until = -math.inf
            self._wake()

    @property
    def is_live(self) -> bool:
        """Whether beats come."""
        return self._live_until > monotonic()

    def heard_beat(self, *, within: float) -> bool:
        """Whether one came in so many seconds that proved the news to be fresh."""
        return self._live_until - SILENCE_SECONDS > monotonic() - within

    def close(self) -> None:
        """Hang up for good."""
        self._closed = True
        self.line.interrupt()

    def after_fork(self) -> None:
        """The connection stayed with the parent; those who waited did too."""
        self.line.leave()
        self.line = Line(self._issuer)
        self._lock = Lock()
        self._live_until = -math.inf
        if not self.first.done():
            self.first = Future()
            self.first.set_running_or_notify_cancel()

    def _page(self) -> feed.Page | None:
        answer = self.line.get(
            self._target(None if self._anew else self.revoked.cursor),
            headers=self._headers,
            seconds=self._poll_seconds + ANSWER_SECONDS,
            max_bytes=feed.MAX_PAGE_BYTES,
        )
        if answer.status == 404:
            return None
        if answer.status in {401, 403}:
            raise Unavailable(f"the answer has status {answer.status}: is feed_token the issuer's FEED_TOKEN?")
        if answer.status != 200:
            raise Unavailable(f"the answer has status {answer.status}")
        return feed.parse_page(answer.body)

    def _target(self, cursor: str | None) -> str:
        wait = 0 if self.is_live else self._poll_seconds
        question = "?wait=0" if cursor is None else f"?after={quote(cursor)}&wait={wait}"
        return self._issuer.path.rstrip("/") + FEED_PATH + question

    def _learn(self, page: feed.Page, *, begun_at: float) -> float:
        asked_for_all = self.revoked.cursor is None or self._anew
        self._failures = 0
        known_before = self.revoked.stamp
        if page.more and page.entries:  # the issuer works on the next page while this one is learnt
            self.line.ask_ahead(self._target(page.next), headers=self._headers)
        with self._lock:
            complete = self._take_page(page)
        if page.entries or self.revoked.stamp is not known_before:
            self._changed(any(entry.kind == "kid" for entry in page.entries))
        if not complete:
            return 0.0 if page.entries else HASTE_SECONDS
        self.known_at = known_at = monotonic()
        self._settle("open", "")
        self._sync_at = known_at + SYNC_SECONDS * (0.75 + dice() / 2)
        hasty = not page.entries and not asked_for_all and known_at - begun_at < HASTE_SECONDS
        return (GAP_SECONDS if self.is_live else HASTE_SECONDS) if hasty else 0.0

    # --- under the lock

    def _take_page(self, page: feed.Page) -> bool:
        """Whether it was the last one for now."""
        if page.reset:
            self._reached = None  # what batches brought since the issuer made the page goes with the old snapshot
            self._anew = False
        elif self._newest:
            self._mistrust(page.entries)
        if self.revoked.take(page):
            self._go_to(feed.parse_cursor(page.next))
            if monotonic() >= self._forget_at:
                self.revoked.forget(now=int(time()))
                self._forget_at = monotonic() + FORGET_SECONDS
            return True
        return False

    def _take(self, batch: Batch) -> bool:
        """Whether something before it, or about it, has to be asked for."""
        cursor, reached = self.revoked.cursor, self._reached
        if cursor is None:  # the first snapshot is on its way
            return False
        if feed.parse_cursor(cursor).incarnation != batch.after.incarnation:
            return True
        self._mistrust(batch.entries)
        self.revoked.learn(batch.entries)
        if reached is None:  # a snapshot is on its way; the next beat shows whether it had all
            return self._anew
        if batch.after.seq > reached.seq:
            return True
        self._go_to(batch.reached)
        return self._anew

    def _go_to(self, cursor: feed.Cursor) -> None:
        reached = self._reached
        if reached is None or reached.incarnation != cursor.incarnation or reached.seq < cursor.seq:
            self._reached = cursor

    def _mistrust(self, entries: Sequence[feed.Entry]) -> None:
        """A key is revoked now: there may have been batches that whoever stole it has signed."""
        if any(entry.kind == "kid" and not self.revoked.names(entry.digest) for entry in entries):
            self._anew = True

    def _beat(self, beat: Batch, *, age: float) -> None:
        """All was known when it was said; a beat that comes late, or again, keeps nobody from asking."""
        now = monotonic()
        self.known_at = max(self.known_at or 0.0, now - max(0.0, age))
        self.state = "open"
        if beat.at > self._newest:
            self._newest = beat.at
            self._live_until = now + SILENCE_SECONDS

    def _failed(self, problem: str) -> float:
        self._failures += 1
        if problem != self.problem and not self._closed:
            log.warning("the revocations of %s cannot be read: %s", self._issuer.geturl(), problem)
        self.state, self.problem = "failing", problem
        return backoff(self._failures, dice)

    def _settle(self, state: str, problem: str) -> None:
        self.state, self.problem = state, problem
        if not self.first.done():
            self.first.set_result(None)
