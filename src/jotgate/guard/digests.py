"""Packed digests: what a guard keeps of a feed of a million entries, in about 36 bytes each.

    record    bytes    what
    ------    -----    -----------------------------------------------------
    digest    16       of a session, a user, a token or a key
    life      1        the snapshot that it was put in, modulo 256
    until     5        seconds since 1970
    epoch     7        0 where there is none

Records lie in many immutable byte strings, so that readers need no lock; one writes at a time. The table grows by one
bucket at a time (linear hashing): there is never a second one beside it, not even while a new snapshot replaces what is
here. A life that comes round again keeps what is older by 256 unfinished snapshots, until its instant.
"""

from collections.abc import Callable
from typing import Final

_DIGEST: Final = 16
_LIFE: Final = 16
_UNTIL: Final = slice(17, 22)
_EPOCH: Final = slice(22, 29)
_RECORD: Final = 29
_NEVER: Final = (1 << 40) - 1
_CROWDED: Final = 12  # records in a bucket, on average, before there is one bucket more


class Digests:
    """16-byte digests, each with the instant until which it matters and an epoch."""

    __slots__ = ("_buckets", "_count", "_life", "_old")

    def __init__(self) -> None:
        self._buckets = [b""]
        self._count = 0
        self._life = 0
        self._old = 0  # records of another life

    def __len__(self) -> int:
        return self._count

    def epoch(self, digest: bytes) -> int | None:
        """The epoch that stands with this digest, or None: it is not here."""
        buckets = self._buckets
        size = 0
        while size != len(buckets):  # a bucket that is split meanwhile may have lost it to the new one
            size = len(buckets)
            bucket = buckets[_place(digest, size)]
            at = _find(bucket, digest)
            if at >= 0:
                return int.from_bytes(bucket[at : at + _RECORD][_EPOCH], "big")
        return None

    def put(self, digest: bytes, *, until: int, epoch: int) -> None:
        """Add it; what this life has already keeps the later instant and the higher epoch."""
        if self._count >= _CROWDED * len(self._buckets):
            _split(self._buckets)
        place = _place(digest, len(self._buckets))
        bucket = self._buckets[place]
        at = _find(bucket, digest)
        if at < 0:
            self._count += 1
        else:
            record = bucket[at : at + _RECORD]
            bucket = bucket[:at] + bucket[at + _RECORD :]
            if record[_LIFE] == self._life:
                until = max(until, int.from_bytes(record[_UNTIL], "big"))
                epoch = max(epoch, int.from_bytes(record[_EPOCH], "big"))
            else:
                self._old -= 1
        rest = (self._life << 96) + (min(until, _NEVER) << 56) + epoch
        self._buckets[place] = bucket + digest + rest.to_bytes(_RECORD - _DIGEST, "big")

    def begin_anew(self) -> None:
        """What is here is of an old life now: it stays until `drop_old`."""
        self._life = (self._life + 1) % 256
        self._old = self._count

    def drop_old(self) -> None:
        """Drop what was not put again since `begin_anew`."""
        if self._old:
            life = self._life
            self._sift(lambda record: record[_LIFE] == life)

    def forget(self, *, now: int) -> None:
        """Drop what matters only until `now`."""
        self._sift(lambda record: int.from_bytes(record[_UNTIL], "big") > now)

    def _sift(self, keep: Callable[[bytes], bool]) -> None:
        count = old = 0
        for place, bucket in enumerate(self._buckets):
            records = _records(bucket)
            kept = [record for record in records if keep(record)]
            if len(kept) < len(records):
                self._buckets[place] = b"".join(kept)
            count += len(kept)
            old += sum(record[_LIFE] != self._life for record in kept) if self._old else 0
        self._count, self._old = count, old


def _place(digest: bytes, buckets: int) -> int:
    """The first so many buckets of the round that has begun are split already."""
    whole = 1 << buckets.bit_length() - 1
    name = int.from_bytes(digest[:4], "big")
    place = name & (2 * whole - 1)
    return place if place < buckets else place - whole


def _find(bucket: bytes, digest: bytes) -> int:
    at = bucket.find(digest)
    while at > 0 and at % _RECORD:  # begins inside a record: these bytes are something else
        at = bucket.find(digest, at + 1)
    return at


def _records(bucket: bytes) -> list[bytes]:
    return [bucket[at : at + _RECORD] for at in range(0, len(bucket), _RECORD)]


def _split(buckets: list[bytes]) -> None:
    """One bucket more: half of what lies in the next one to split moves there, and lies in both for a moment."""
    size = len(buckets)
    deciding = size.bit_length() - 1  # the bit of a name that says which of the two
    byte, bit = 3 - deciding // 8, 1 << deciding % 8
    split = size - (1 << deciding)
    records = _records(buckets[split])
    buckets.append(b"".join([record for record in records if record[byte] & bit]))
    buckets[split] = b"".join([record for record in records if not record[byte] & bit])
