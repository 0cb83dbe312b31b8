"""What was revoked and still matters: pages of the feed in, a verdict on a token out; forgotten with its last token.

    entry          hits                                 verdict
    -----------    ---------------------------------    -----------
    sid jti kid    the session, the token, the key      Revoked
    sub, epoch     the user's tokens below the epoch    ClaimsStale

A token without an epoch is below every epoch. What a snapshot names counts at once; what it does not name is dropped
with its last page, so that nothing revoked passes in between. A token that was found good needs a look at the news
since then alone, as long as those are few enough to be at hand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from jotgate import errors
from jotgate.guard.digests import Digests
from jotgate.wire import feed

RECENT: Final = 10_000  # entries that are at hand, in about 1 MB


@dataclass(frozen=True, slots=True)
class Marks:
    """What an entry of the feed can hit a token by: digests, and the epoch of its claims."""

    digests: tuple[bytes, ...]  # of its session, itself and its key, as far as it has them; last of its subject
    epoch: int

    @classmethod
    def of(cls, issuer: str, *, names: Iterable[tuple[str, str | None]], subject: str, epoch: int | None) -> "Marks":
        """`names`: kind and identifier; those that the token lacks are left out."""
        ended = tuple(feed.digest(issuer, kind, name) for kind, name in names if name is not None)
        return cls((*ended, feed.digest(issuer, "sub", subject)), -1 if epoch is None else epoch)


class Revoked:
    """The entries that still matter. One writes at a time; readers need no lock."""

    __slots__ = ("_is_partial", "_known", "_recent", "cursor", "heard", "stamp")

    def __init__(self) -> None:
        self._known = Digests()
        self._is_partial = False  # more of a snapshot is to come
        self._recent: tuple[int, set[bytes]] = (0, set())  # all that was learnt since `heard` was that number
        self.cursor: str | None = None
        self.heard = 0  # pages with entries; read before what it stands for
        self.stamp = object()  # another one whenever a verdict may have changed

    def __len__(self) -> int:
        return len(self._known)

    def take(self, page: feed.Page) -> bool:
        """Learn a page; whether it was the last one for now."""
        if page.reset:
            self._known.begin_anew()
            self._is_partial = True
        self.learn(page.entries)
        self.cursor = page.next
        if self._is_partial and not page.more:
            self._known.drop_old()
            self._is_partial = False
            self.stamp = object()
        return not page.more

    def learn(self, entries: Iterable[feed.Entry]) -> None:
        """Learn entries, wherever in the feed they stand; once more does not matter."""
        known = [entry for entry in entries if entry.kind in feed.KINDS]
        if not known:
            return
        _, recent = self._recent
        for entry in known:
            self._known.put(entry.digest, until=entry.until, epoch=entry.epoch or 0)
            recent.add(entry.digest)
        if len(recent) > RECENT:
            self._recent = (self.heard + 1, set())
        self.heard += 1
        self.stamp = object()  # always last: who has seen it sees the entries

    def names(self, digest: bytes) -> bool:
        """Whether an entry names it."""
        return self._known.epoch(digest) is not None

    def forget(self, *, now: int) -> None:
        """Drop the entries whose `until` has come."""
        self._known.forget(now=now)

    def check(self, marks: Marks) -> None:
        """Return if nothing hits the token. Raises `Revoked` or `ClaimsStale`."""
        known = self._known
        *ended, subject = marks.digests
        if any(known.epoch(digest) is not None for digest in ended):
            raise errors.Revoked("the feed names its session, its key or the token")
        epoch = known.epoch(subject)
        if epoch is not None and marks.epoch < epoch:
            raise errors.ClaimsStale("the feed names a later epoch of its subject")

    def check_again(self, marks: Marks, *, heard: int) -> None:
        """The same for a token that was good when so much was `heard`."""
        since, digests = self._recent
        if heard < since or not digests.isdisjoint(marks.digests):
            self.check(marks)
