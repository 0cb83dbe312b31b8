"""What was revoked and still matters: pages of the feed in, a verdict on a token out; forgotten with its last token.

    entry          hits                                 verdict
    -----------    ---------------------------------    -----------
    sid jti kid    the session, the token, the key      Revoked
    sub, epoch     the user's tokens below the epoch    ClaimsStale

A token without an epoch is below every epoch. A snapshot replaces what is known once its last page has come, so that
nothing revoked passes in between.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from jotgate import errors
from jotgate.guard.digests import Digests
from jotgate.wire import feed


@dataclass(frozen=True, slots=True)
class Marks:
    """What an entry of the feed can hit a token by: digests, and the epoch of its claims."""

    ended: tuple[bytes, ...]  # of its session, itself and its key
    subject: bytes
    epoch: int

    @classmethod
    def of(cls, issuer: str, *, names: Iterable[tuple[str, str | None]], subject: str, epoch: int | None) -> "Marks":
        """`names`: kind and identifier; those that the token lacks are left out."""
        ended = tuple(feed.digest(issuer, kind, name) for kind, name in names if name is not None)
        return cls(ended, feed.digest(issuer, "sub", subject), -1 if epoch is None else epoch)


class Revoked:
    """The entries that still matter. One writes at a time; readers need no lock."""

    __slots__ = ("_known", "_snapshot", "cursor", "stamp")

    def __init__(self) -> None:
        self._known = Digests()
        self._snapshot: Digests | None = None  # what will replace it when the last page has come
        self.cursor: str | None = None
        self.stamp = object()  # another one whenever a verdict may have changed

    def __len__(self) -> int:
        return len(self._known)

    def take(self, page: feed.Page) -> bool:
        """Learn a page; whether it was the last one for now."""
        if page.reset:
            self._snapshot = Digests()
        target = self._known if self._snapshot is None else self._snapshot
        for entry in page.entries:
            if entry.kind in feed.KINDS:
                target.put(entry.digest, until=entry.until, epoch=entry.epoch or 0)
        self.cursor = page.next
        if self._snapshot is not None and not page.more:
            self._known, self._snapshot = self._snapshot, None
            self.stamp = object()
        elif self._snapshot is None and page.entries:
            self.stamp = object()  # always last: who has seen it sees the entries
        return not page.more

    def forget(self, *, now: int) -> None:
        """Drop the entries whose `until` has come."""
        self._known.forget(now=now)

    def check(self, marks: Marks) -> None:
        """Return if nothing hits the token. Raises `Revoked` or `ClaimsStale`."""
        known = self._known
        if any(known.epoch(digest) is not None for digest in marks.ended):
            raise errors.Revoked("the feed names its session, its key or the token")
        epoch = known.epoch(marks.subject)
        if epoch is not None and marks.epoch < epoch:
            raise errors.ClaimsStale("the feed names a later epoch of its subject")
