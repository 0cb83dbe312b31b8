"""Packed digests: what a guard keeps of a feed of a million entries, in about 40 bytes each.

A digest lies with its instant and its epoch in one of many immutable byte strings, so that readers need no lock. One
writes at a time.
"""

from collections.abc import Iterator
from typing import Final

_DIGEST: Final = 16
_UNTIL: Final = slice(16, 21)
_EPOCH: Final = slice(21, 28)
_RECORD: Final = 28
_NEVER: Final = (1 << 40) - 1
_CROWDED: Final = 16  # records in a bucket, on average, before there are twice as many buckets


class Digests:
    """16-byte digests, each with the instant until which it matters and an epoch."""

    __slots__ = ("_buckets", "_count")

    def __init__(self) -> None:
        self._buckets = [b""]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def epoch(self, digest: bytes) -> int | None:
        """The epoch that stands with this digest, or None: it is not here."""
        buckets = self._buckets
        bucket = buckets[_place(digest, len(buckets))]
        at = _find(bucket, digest)
        return None if at < 0 else int.from_bytes(bucket[at : at + _RECORD][_EPOCH], "big")

    def put(self, digest: bytes, *, until: int, epoch: int) -> None:
        """Add it; what is here already keeps the later instant and the higher epoch."""
        if self._count >= _CROWDED * len(self._buckets):
            self._buckets = _doubled(self._buckets)
        place = _place(digest, len(self._buckets))
        bucket = self._buckets[place]
        at = _find(bucket, digest)
        if at >= 0:
            record = bucket[at : at + _RECORD]
            until = max(until, int.from_bytes(record[_UNTIL], "big"))
            epoch = max(epoch, int.from_bytes(record[_EPOCH], "big"))
            bucket = bucket[:at] + bucket[at + _RECORD :]
        else:
            self._count += 1
        self._buckets[place] = bucket + digest + min(until, _NEVER).to_bytes(5, "big") + epoch.to_bytes(7, "big")

    def forget(self, *, now: int) -> None:
        """Drop what matters only until `now`."""
        for place, bucket in enumerate(self._buckets):
            kept = [record for record in _records(bucket) if int.from_bytes(record[_UNTIL], "big") > now]
            dropped = len(bucket) // _RECORD - len(kept)
            if dropped:
                self._count -= dropped
                self._buckets[place] = b"".join(kept)


def _place(digest: bytes, buckets: int) -> int:
    return int.from_bytes(digest[:4], "big") & (buckets - 1)


def _find(bucket: bytes, digest: bytes) -> int:
    at = bucket.find(digest)
    while at > 0 and at % _RECORD:  # begins inside a record: these bytes are something else
        at = bucket.find(digest, at + 1)
    return at


def _records(bucket: bytes) -> Iterator[bytes]:
    return (bucket[at : at + _RECORD] for at in range(0, len(bucket), _RECORD))


def _doubled(buckets: list[bytes]) -> list[bytes]:
    doubled: list[list[bytes]] = [[] for _ in range(2 * len(buckets))]
    for bucket in buckets:
        for record in _records(bucket):
            doubled[_place(record, len(doubled))].append(record)
    return [b"".join(records) for records in doubled]
