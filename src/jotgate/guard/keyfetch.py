"""Fetching the key set: one fetch at a time for everybody who waits, and a bad answer changes nothing (RFC 7517).

answer                                              the set
------------------------------------------------    ---------------------------------
200, strict JSON, public keys for signatures        replaced, if it is another one
the same keys again                                 kept: what was verified stays so
any other status, a redirect, HTML, over 1 MiB      kept
private parts, secrets, a key twice, no key left    kept
"""

import logging
import math
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from time import monotonic
from typing import Final
from urllib.parse import SplitResult

from jotgate.errors import JotgateError, KeyRefused, Unavailable
from jotgate.guard.fetch import Line
from jotgate.guard.keycache import KeyCache, dice
from jotgate.guard.observe import KEYS_UNAVAILABLE, Told, unheard
from jotgate.jose import jwks
from jotgate.jose.jwks import KeySet

KEYS_PATH: Final = "/.well-known/jwks.json"
KEYS_SECONDS: Final = 5.0
KEYS_BYTES: Final = 1 << 20

log = logging.getLogger("jotgate.guard")


class KeyFetch:
    """The issuer's key set as of the last good answer."""

    def __init__(
        self, issuer: SplitResult, *, algorithms: frozenset[str], changed: Callable[[], None], told: Told = unheard
    ) -> None:
        """Keys of other algorithms are left out of the set. `changed` is called after the set was replaced."""
        self._issuer = issuer
        self._algorithms = algorithms
        self._changed = changed
        self._told = told
        self._lock = Lock()
        self._flight: Future[None] | None = None
        self._landed_at = -math.inf
        self.cache = KeyCache(dice)

    def demand(self, *, since: float) -> Future[None]:
        """Fetch, unless that is happening already, or has happened `since`; done when it is over, well or badly."""
        with self._lock:
            if self._flight is not None:
                return self._flight
            flight: Future[None] = Future()
            flight.set_running_or_notify_cancel()  # nobody who waits can cancel it for the others
            if self._landed_at > since:  # between somebody's question and this call
                flight.set_result(None)
                return flight
            self._flight = flight
            self.cache.begun(now=monotonic())
        try:
            Thread(target=self._fetch, args=(flight,), name="jotgate-keys", daemon=True).start()
        except RuntimeError as error:  # the interpreter is going down, or the machine is out of threads
            self._land(flight, f"no thread: {error}")
        return flight

    def renew(self, *, now: float) -> float:
        """Fetch if the set has grown old; the seconds until it should be looked at again."""
        if self.cache.forget(now=now):
            self._changed()
        if self._flight is not None:
            return 1.0
        pause = self.cache.due(now=now)
        if pause > 0:
            return pause
        self.demand(since=now)
        return 1.0

    def after_fork(self) -> None:
        """The fetch and whoever waited for it stayed in the parent."""
        self._lock = Lock()
        self._flight = None

    def _fetch(self, flight: Future[None]) -> None:
        begun_at = monotonic()
        problem = ""
        try:
            self._learn(self._ask(), now=begun_at)
        except JotgateError as error:
            problem = error.detail or error.description
        except Exception as error:  # whatever it is, those who wait are told
            problem = type(error).__name__
            log.exception("fetching keys")
        self._told("keys", KEYS_UNAVAILABLE if problem else "", monotonic() - begun_at)
        self._land(flight, problem)

    def _land(self, flight: Future[None], problem: str) -> None:
        if problem:
            if problem != self.cache.problem:
                log.warning("the keys of %s cannot be fetched: %s", self._issuer.geturl(), problem)
            self.cache.failed(problem, now=monotonic())
        with self._lock:
            self._flight = None
            self._landed_at = monotonic()
        flight.set_result(None)

    def _ask(self) -> KeySet:
        line = Line(self._issuer)
        try:
            answer = line.get(
                self._issuer.path.rstrip("/") + KEYS_PATH, headers={}, seconds=KEYS_SECONDS, max_bytes=KEYS_BYTES
            )
        finally:
            line.hang_up()
        if answer.status != 200:
            raise Unavailable(f"the answer has status {answer.status}")
        keys = jwks.parse(answer.body)
        usable = jwks.of(*(key for key in keys.keys if key.alg in self._algorithms))
        if not usable.keys:
            raise KeyRefused("the issuer publishes no key for the algorithms that are accepted here")
        return usable

    def _learn(self, keys: KeySet, *, now: float) -> None:
        held = self.cache.keys
        same = held is not None and held == keys
        self.cache.succeeded(held if same and held is not None else keys, now=now)
        if not same:
            self._changed()
