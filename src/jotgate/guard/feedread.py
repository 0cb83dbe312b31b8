"""Reading the revocation feed: one question after the other, what is learnt, and when to ask again.

answer                       news         the next question
-------------------------    ---------    ----------------------------------------------
200, more to come            waiting      at once
200, all of it               open         at once; in a second if it came too soon
404, and never a page        absent       in a minute: tokens end at `exp`
anything else                failing      after a back-off; what is known stays
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from time import monotonic, time
from typing import Final
from urllib.parse import SplitResult, quote

from jotgate.errors import JotgateError, Unavailable
from jotgate.guard.fetch import Line
from jotgate.guard.keycache import backoff, dice
from jotgate.guard.observe import NEWS_ABSENT, NEWS_UNAVAILABLE, Told, unheard
from jotgate.guard.revoked import Revoked
from jotgate.wire import feed

FEED_PATH: Final = "/revocations"
ANSWER_SECONDS: Final = 10.0  # that an answer may take beyond its waiting
NO_FEED_SECONDS: Final = 60.0  # the 404 may be that of a proxy whose issuer is not there yet
HASTE_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 300.0

log = logging.getLogger("jotgate.guard")


class FeedRead:
    """One issuer's feed, read by one thread."""

    def __init__(
        self,
        issuer: SplitResult,
        *,
        token: str | None,
        poll_seconds: int,
        changed: Callable[[bool], None],
        told: Told = unheard,
    ) -> None:
        """`changed` is called after something was learnt; True: a key was revoked."""
        self._issuer = issuer
        self._headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
        self._poll_seconds = poll_seconds
        self._changed = changed
        self._told = told
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
        if now >= self._ask_at:
            self._ask_at = self.ask() + monotonic()
        return max(0.0, self._ask_at - monotonic())

    def ask(self) -> float:
        """One question; the seconds before the next one."""
        begun_at = monotonic()
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

    def close(self) -> None:
        """Hang up for good."""
        self._closed = True
        self.line.interrupt()

    def after_fork(self) -> None:
        """The connection stayed with the parent; those who waited did too."""
        self.line = Line(self._issuer)
        if not self.first.done():
            self.first = Future()
            self.first.set_running_or_notify_cancel()

    def _page(self) -> feed.Page | None:
        answer = self.line.get(
            self._target(self.revoked.cursor),
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
        question = "?wait=0" if cursor is None else f"?after={quote(cursor)}&wait={self._poll_seconds}"
        return self._issuer.path.rstrip("/") + FEED_PATH + question

    def _learn(self, page: feed.Page, *, begun_at: float) -> float:
        asked_for_all = self.revoked.cursor is None
        self._failures = 0
        known_before = self.revoked.stamp
        if page.more and page.entries:  # the issuer works on the next page while this one is learnt
            self.line.ask_ahead(self._target(page.next), headers=self._headers)
        complete = self.revoked.take(page)
        if page.entries or self.revoked.stamp is not known_before:
            self._changed(any(entry.kind == "kid" for entry in page.entries))
        if not complete:
            return 0.0 if page.entries else HASTE_SECONDS
        self.known_at = monotonic()
        self._settle("open", "")
        if self.known_at >= self._forget_at:
            self.revoked.forget(now=int(time()))
            self._forget_at = self.known_at + FORGET_SECONDS
        hasty = not page.entries and not asked_for_all and self.known_at - begun_at < HASTE_SECONDS
        return HASTE_SECONDS if hasty else 0.0

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
