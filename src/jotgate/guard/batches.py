"""Batches of the feed as they come in: whom a guard believes, and how much of it.

    message                                       what follows
    ------------------------------------------    -----------------------------------------------------
    signed by a key of the issuer, fresh          learnt (`feedread`)
    the same again                                refused without looking closer
    under a key that nobody knows                 refused; the keys are asked for, once in 30 s
    under a revoked key, of another issuer,       refused
    old, early, forged, cut off, too large
    any, after 100 refusals in 10 s               none: nobody listens for half a minute, HTTP does as well
    a beat, 0.4 s after a good one                none: many nodes are no more work than one

Refusals are counted, and logged once a minute.
"""

import logging
import math
from collections.abc import Callable
from time import monotonic, time
from typing import Final

from jotgate.errors import JotgateError, Malformed, Revoked, TokenError, Unavailable, UnknownKey
from jotgate.guard.feedread import FeedRead
from jotgate.jose.jws import MAX_TOKEN, Keys
from jotgate.wire import feed, feedbatch

FLOOD: Final = 100  # refusals
FLOOD_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 30
LOG_SECONDS: Final = 60.0
ENOUGH_SECONDS: Final = 0.4  # less than between the beats of one node
_SEEN: Final = 4096  # messages that are known again, at least

log = logging.getLogger("jotgate.guard")


class Batches:
    """What comes in for one feed; one thread at a time calls it."""

    def __init__(
        self, issuer: str, read: FeedRead, *, keys: Callable[[], Keys | None], unknown_key: Callable[[], None]
    ) -> None:
        """`keys`: those of this moment; `unknown_key` is called when there is one."""
        self.issuer = issuer
        self._read = read
        self._keys = keys
        self._unknown_key = unknown_key
        self._young: set[int] = set()  # hashes, which nobody else can foresee
        self._old: set[int] = set()
        self._log_at = -math.inf
        self._since = -math.inf
        self._lately = 0  # refused since then
        self.refused = 0

    def take(self, message: bytes, *, is_beat: bool = False) -> None:
        """Learn what it says, or count it; `is_beat`: it came as one.

        Raises `Unavailable` when nobody should listen for a while.
        """
        keys = self._keys()
        if keys is None:  # they are on their way, and the snapshot is too
            return
        if is_beat and self._read.heard_beat(within=ENOUGH_SECONDS):
            return
        try:
            batch = self._judged(message, keys)
        except TokenError as error:
            if isinstance(error, UnknownKey):
                self._unknown_key()
            self._refuse(error, now=monotonic())
        else:
            self._read.hear(batch, age=time() - batch.at / 1000)

    def _judged(self, message: bytes, keys: Keys) -> feedbatch.Batch:
        if len(message) > MAX_TOKEN:
            raise Malformed("the batch is too large")
        name = hash(message)
        if name in self._young or name in self._old:
            raise Malformed("the batch came before")
        batch = feedbatch.unseal(message, keys, issuer=self.issuer, now=int(time() * 1000))
        if self._read.revoked.names(feed.digest(self.issuer, "kid", batch.kid)):
            raise Revoked("the batch is signed by a revoked key")
        if len(self._young) >= _SEEN:
            self._young, self._old = set(), self._young
        self._young.add(name)
        return batch

    def _refuse(self, error: JotgateError, *, now: float) -> None:
        self.refused += 1
        if now >= self._log_at:
            self._log_at = now + LOG_SECONDS
            log.warning("news of %s over NATS were refused (%d so far): %s", self.issuer, self.refused, error.detail)
        if now - self._since > FLOOD_SECONDS:
            self._since, self._lately = now, 0
        self._lately += 1
        if self._lately > FLOOD:
            self._since = -math.inf
            raise Unavailable("too much of what came was refused", retry_after=QUIET_SECONDS)
