"""The courier: it brings one issuer's keys and revocations into a process (`keyfetch`, `feedread` say how).

    event                       what happens
    ------------------------    ------------------------------------------------------------------------
    the first token             its thread starts; the key set is fetched beside it
    every 5 min                 the key set is renewed; the last good one may be used for 24 h
    a key was revoked           the key set is renewed at once
    a fork                      the child starts threads of its own with its first token
    the last guard is closed    the thread ends

Where there is NATS, a second thread listens there (`natsfeed`, `batches`). Guards of one issuer share a courier.

A guard that nobody holds any more is released by the garbage collector, which may come at any point, also while this
very thread holds a lock: what `release` does takes none that it would have to wait for.
"""

import math
import os
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from jotgate.errors import KeysUnavailable
from jotgate.guard.batches import Batches
from jotgate.guard.ear import Deaf, Ear, ear
from jotgate.guard.feedread import FeedRead
from jotgate.guard.keyfetch import KEYS_SECONDS, KeyFetch
from jotgate.guard.known import NeedKeys, Status
from jotgate.guard.observe import Kind, Observer
from jotgate.guard.revoked import Revoked
from jotgate.jose.jws import Keys

FIRST_NEWS_SECONDS: Final = 2.0
_LONGEST_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class Errand:
    """What a courier is to bring: guards with equal errands share one."""

    issuer: str
    algorithms: frozenset[str]
    poll_seconds: int | None  # None: no feed
    feed_token: str | None = field(default=None, repr=False)
    nats: tuple[str, ...] = field(default=(), repr=False)  # servers; with `poll_seconds` alone


class Courier:
    """The keys and revocations of one issuer, as of the last answers."""

    def __init__(self, errand: Errand, *, given: Keys | None = None) -> None:
        """`given`: keys that need not be fetched."""
        issuer = urlsplit(errand.issuer)
        self.stamp = object()
        self._given = given
        self._keys = KeyFetch(issuer, algorithms=errand.algorithms, changed=self._restamp, told=self._tell)
        self._feed = (
            None
            if errand.poll_seconds is None
            else FeedRead(
                issuer,
                token=errand.feed_token,
                poll_seconds=errand.poll_seconds,
                changed=self._news,
                told=self._tell,
                wake=self._rouse,
            )
        )
        self._ear: Ear = Deaf() if self._feed is None else self._listening(errand, self._feed)
        self._observers: list[Observer] = []
        self._lock = Lock()
        self._stopped = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._thread: Thread | None = None
        self._started_at = math.inf
        _alive.add(self)

    @property
    def revoked(self) -> Revoked | None:
        """What the feed has named so far; None where it is not read."""
        return None if self._feed is None else self._feed.revoked

    def look(self, *, now: float) -> Keys | NeedKeys:
        """The keys, or what has to come first. Raises `KeysUnavailable` while asking cannot help."""
        try:
            return self._found(now=now)
        finally:
            if self._thread is None:
                self._start(now=now)

    def _found(self, *, now: float) -> Keys | NeedKeys:
        cache = self._keys.cache
        keys = self._given or cache.held(now=now)
        news = now - self._started_at < FIRST_NEWS_SECONDS and self._feed is not None and not self._feed.first.done()
        if keys is not None:
            return NeedKeys(keys=False, news=True, since=now) if news else keys
        pause = cache.wait(now=now)
        if pause > 0:
            raise KeysUnavailable(cache.problem, retry_after=math.ceil(pause))
        return NeedKeys(keys=True, news=news, since=now)

    def unknown_key(self, *, now: float) -> bool:
        """A token names a key that is not in the set: whether asking may help now."""
        return self._given is None and self._keys.cache.wait(now=now) == 0

    def news_age(self, *, now: float) -> float:
        """Seconds since the revocations were complete; infinite before they ever were."""
        return math.inf if self._feed is None or self._feed.known_at is None else now - self._feed.known_at

    def arrivals(self, need: NeedKeys) -> Sequence[tuple[Future[None], float]]:
        """What to wait for, one after the other, and for how many seconds at most."""
        on_the_way = [(self._keys.demand(since=need.since), KEYS_SECONDS)] if need.keys else []
        if need.news and self._feed is not None:
            on_the_way.append((self._feed.first, FIRST_NEWS_SECONDS))
        return on_the_way

    def status(self, *, now: float) -> Status:
        """For people and metrics."""
        cache, feed = self._keys.cache, self._feed
        keys_age = 0.0 if self._given else None if cache.keys is None else now - cache.fetched_at
        if feed is None:
            return Status(keys_age, problems=_said(cache.problem))
        return Status(
            keys_age,
            news=feed.state,
            news_age=None if feed.known_at is None else now - feed.known_at,
            revocations=len(feed.revoked),
            problems=_said(cache.problem, feed.problem, self._ear.problem),
            nats=self._ear.state,
            refused=self._ear.refused,
        )

    def observe(self, observer: Observer) -> None:
        """Tell it of the questions to the issuer."""
        self._observers.append(observer)

    def release(self, observer: Observer | None = None) -> None:
        """Stop, once no guard needs it any more; `observer` is told nothing more."""
        if observer is not None:
            self._observers.remove(observer)
        _leaving.append(self)
        _settle()

    def stop(self) -> None:
        """Let the thread end; it closes its connections itself."""
        self._stopped = True
        self._wake.put(None)
        if self._feed is not None:
            self._feed.close()

    def after_fork(self) -> None:
        """In the child: what ran, waited or was connected stayed with the parent."""
        self._lock = Lock()
        self._wake = SimpleQueue()
        self._thread = None
        self._started_at = math.inf
        self._keys.after_fork()
        self._ear.after_fork()
        if self._feed is not None:
            self._feed.after_fork()
        self._restamp()  # the next token, remembered or not, comes by `look`

    def _start(self, *, now: float) -> None:
        with self._lock:
            if self._thread is not None or self._stopped:
                return
            self._started_at = min(now, self._started_at)
            thread = Thread(target=self._work, name="jotgate-courier", daemon=True)
            with suppress(RuntimeError):  # out of threads, or going down: tried again with the next token
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        while not self._stopped:
            self._ear.begin()
            pause = math.inf if self._given is not None else self._keys.renew(now=monotonic())
            if self._feed is not None:
                pause = min(pause, self._feed.read(now=monotonic()))
            with suppress(Empty):
                self._wake.get(timeout=min(pause, _LONGEST_PAUSE))
        self._ear.end()
        if self._feed is not None:
            self._feed.line.close()

    def _listening(self, errand: Errand, feed: FeedRead) -> Ear:
        def batches() -> Batches:
            return Batches(errand.issuer, feed, keys=self._held, unknown_key=self._look_for_it)

        return ear(errand.nats, batches, lost=feed.alone)

    def _held(self) -> Keys | None:
        return self._given or self._keys.cache.held(now=monotonic())

    def _look_for_it(self) -> None:
        now = monotonic()
        if self.unknown_key(now=now):
            self._keys.demand(since=now)

    def _rouse(self) -> None:
        self._wake.put(None)

    def _tell(self, kind: Kind, code: str, seconds: float) -> None:
        for observer in {id(one.hook): one for one in tuple(self._observers)}.values():  # each hook once
            observer.tell(kind, code, seconds)

    def _restamp(self) -> None:
        self.stamp = object()

    def _news(self, key_revoked: bool) -> None:  # noqa: FBT001  # a callback with one fact
        self._restamp()
        if key_revoked and self._given is None:
            self._keys.demand(since=monotonic())


def _said(*problems: str) -> tuple[str, ...]:
    return tuple(problem for problem in problems if problem)


# --- one courier for all guards with the same errand; and all of them, for forks

_alive: weakref.WeakSet[Courier] = weakref.WeakSet()
_shared: dict[Errand, tuple[Courier, int]] = {}
_leaving: deque[Courier] = deque()  # released, and not yet looked at
_lock = Lock()


def courier(errand: Errand) -> Courier:
    """The courier for this errand; whoever asked for it releases it."""
    with _lock:
        found, users = _shared.get(errand) or (Courier(errand), 0)
        _shared[errand] = (found, users + 1)
    _settle()
    return found


def _settle() -> None:
    """Stop those whom nobody needs any more. Whoever holds the lock does it for all when it is free again."""
    while _leaving and _lock.acquire(blocking=False):
        try:
            while _leaving:
                _dismiss(_leaving.popleft())
        finally:
            _lock.release()


def _dismiss(who: Courier) -> None:
    errand, users = next(((errand, users) for errand, (found, users) in _shared.items() if found is who), (None, 1))
    if errand is not None and users > 1:
        _shared[errand] = (who, users - 1)
        return
    if errand is not None:
        del _shared[errand]
    who.stop()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  # another thread may have held it
    _lock = Lock()
    for who in tuple(_alive):
        who.after_fork()


getattr(os, "register_at_fork", dict)(after_in_child=_after_fork)  # not everywhere are there forks
