"""What is remembered of verified tokens: two generations of dictionaries, swapped when the younger one is full.

And of those that cannot be verified: headers that name no key of the set, so that a flood of them is cheap to refuse.

Rule: nothing moves on a hit, and every reading is one operation of a dictionary, so that readers need no lock, with the
GIL or without. What is remembered is never taken on trust: the guard looks at expiry, keys and news on every hit.
"""

import os
import weakref
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from jotgate.errors import UnknownKey

STRANGERS: Final = 256  # of at most 1.4 kB each
Kept = TypeVar("Kept")


class Memory(Generic[Kept]):
    """At most `entries` values that weigh at most `size` bytes, keys included, by estimate."""

    __slots__ = ("__weakref__", "_entries", "_lock", "_size", "_weight", "old", "young")

    def __init__(self, entries: int, *, size: int) -> None:
        self._entries = entries // 2  # each generation has half; 0 or 1: nothing is remembered
        self._size = size // 2
        self._weight = 0
        self._lock = Lock()
        self.young: dict[str, Kept] = {}
        self.old: dict[str, Kept] = {}
        _alive.add(self)

    def get(self, token: str) -> Kept | None:
        """What is remembered of exactly this text, or None."""
        found = self.young.get(token)
        return self.old.get(token) if found is None else found

    def put(self, token: str, kept: Kept, *, weight: int) -> None:
        """Remember it; what weighs more than a generation may is not."""
        if self._entries == 0 or weight > self._size:
            return
        with self._lock:
            if token in self.young:
                self.young[token] = kept
                return
            if len(self.young) >= self._entries or self._weight + weight > self._size:
                self.old = self.young
                self.young = {}
                self._weight = 0
            self.young[token] = kept
            self._weight += weight

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.young = {}
            self.old = {}
            self._weight = 0

    def after_fork(self) -> None:
        """In the child: whoever held the lock stayed with the parent."""
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.young) + len(self.old)


class Strangers:
    """Header segments that name no key of a set, as many as fit. Another set may know them."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: tuple[object, set[str]] = (None, set())

    def refuse(self, token: str, keys: object) -> None:
        """Raises `UnknownKey` if the header of this token is known for it."""
        of, segments = self._seen
        if of is keys and token.partition(".")[0] in segments:
            raise UnknownKey("no key of this name, again")

    def note(self, token: str, keys: object) -> None:
        """The header of this token names no key of this set."""
        of, segments = self._seen
        if of is not keys or len(segments) >= STRANGERS:
            segments = set()
            self._seen = (keys, segments)
        segments.add(token.partition(".")[0])


_alive: weakref.WeakSet[Memory[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for memory in tuple(_alive):
        memory.after_fork()


getattr(os, "register_at_fork", dict)(after_in_child=_after_fork)  # not everywhere are there forks
