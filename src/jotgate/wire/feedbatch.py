"""The feed in signed batches, as nodes publish it and guards hear it over NATS.

    subject                        message                                         for
    ---------------------------    --------------------------------------------    --------------------
    jotgate.feed.DIGEST.news       entries, right after they got their numbers     guards, other nodes
    jotgate.feed.DIGEST.beat       no entries: how far the feed reached, `at`      guards

DIGEST stands for the issuer. A message is a compact JWS (RFC 7515) by the key that signs access tokens, with a `typ` of
its own: neither passes as the other. Its payload is `{"iss": ISSUER, "at": MILLISECONDS, "after": CURSOR, "page":
PAGE}`, the page as over HTTP (`jotgate.wire.feed`): it follows `after` and reaches its `next`. A token's 8 KiB hold
about 100 entries; more of them are several batches.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from jotgate.errors import Expired, IssuerMismatch, Malformed, Misuse, NotYetValid, TypeMismatch
from jotgate.jose import jws
from jotgate.jose.jwk import Key
from jotgate.jose.jws import Keys
from jotgate.wire import feed
from jotgate.wire.feed import Cursor, Entry, Page

TYP: Final = "jotgate-feed+jwt"
NEWS: Final = "news"
BEAT: Final = "beat"
EVERY: Final = "*"  # in a subscription: both
BEAT_SECONDS: Final = 0.5
CLOCK_MS: Final = 10_000  # that clocks may differ, and that a batch may be old
MAX_ENTRIES: Final = 100

Numbered = tuple[int, Entry]


@dataclass(frozen=True, slots=True)
class Batch:
    """All entries between two cursors of one life of the feed, as somebody with `kid` said at an instant."""

    after: Cursor
    reached: Cursor
    entries: tuple[Entry, ...]
    at: int  # milliseconds since 1970
    kid: str

    @property
    def is_beat(self) -> bool:
        """It says how far the feed reached, and nothing new."""
        return self.after == self.reached


class _Said(msgspec.Struct, frozen=True):
    iss: str
    at: Annotated[int, msgspec.Meta(ge=0, le=10**15 - 1)]
    after: str
    page: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Said)


def subject(issuer: str, kind: str) -> str:
    """Where batches of this kind are published; nobody reads from it who the issuer is."""
    return f"jotgate.feed.{hashlib.sha256(issuer.encode()).digest()[:8].hex()}.{kind}"


def seal(issuer: str, key: Key, *, after: Cursor, head: int, entries: Sequence[Numbered], at: int) -> Iterator[bytes]:
    """The batches that tell all `entries` after the cursor, up to `head`; without any it is one beat.

    Raises `Misuse` where not even one entry fits into a token.
    """
    for first in range(0, max(1, len(entries)), MAX_ENTRIES):
        some = entries[first : first + MAX_ENTRIES]
        reached = head if first + MAX_ENTRIES >= len(entries) else some[-1][0]
        yield from _fitting(issuer, key, after=after, head=reached, entries=some, at=at)
        after = Cursor(after.incarnation, reached)


def unseal(data: bytes, keys: Keys, *, issuer: str, now: int) -> Batch:
    """What it says, if one of the keys signed it, for this issuer, within 10 s of `now` (in milliseconds).

    Raises a `TokenError` for anything else.
    """
    header, payload = jws.unseal(data, keys)
    if header.typ != TYP:
        raise TypeMismatch("typ is another")
    try:
        said = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("the batch is not well-formed") from error
    if said.iss != issuer:
        raise IssuerMismatch("another issuer")
    if said.at < now - CLOCK_MS:
        raise Expired(f"{now - said.at} ms old")
    if said.at > now + CLOCK_MS:
        raise NotYetValid(f"{said.at - now} ms ahead of this clock")
    return _batch(said, header.kid or keys.pick(None, header.alg).kid)


def _batch(said: _Said, kid: str) -> Batch:
    page = feed.parse_page(bytes(said.page))
    after, reached = feed.parse_cursor(said.after), feed.parse_cursor(page.next)
    if after.incarnation != reached.incarnation or reached.seq - after.seq < len(page.entries):
        raise Malformed("the cursors of the batch do not fit each other or its entries")
    return Batch(after, reached, page.entries, said.at, kid)


def _fitting(
    issuer: str, key: Key, *, after: Cursor, head: int, entries: Sequence[Numbered], at: int
) -> Iterator[bytes]:
    """One batch, or as many smaller ones as long signatures and a long issuer ask for."""
    page = Page(Cursor(after.incarnation, head).text, more=False, reset=False, entries=tuple(e for _, e in entries))
    payload = _encoder.encode(_Said(issuer, at, after.text, msgspec.Raw(feed.encode_page(page))))
    try:
        batch = jws.sign(payload, key, header={"typ": TYP}).encode()
    except Misuse:
        half = len(entries) // 2
        if half == 0:
            raise
        middle = Cursor(after.incarnation, entries[half - 1][0])
        yield from _fitting(issuer, key, after=after, head=middle.seq, entries=entries[:half], at=at)
        yield from _fitting(issuer, key, after=middle, head=head, entries=entries[half:], at=at)
    else:
        yield batch
