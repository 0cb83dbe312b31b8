"""Batches of the feed: what is sealed is read again, and nothing else is read."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from jotgate.errors import (
    Expired,
    IssuerMismatch,
    Malformed,
    Misuse,
    NotYetValid,
    SignatureInvalid,
    TokenError,
    TypeMismatch,
    UnknownKey,
)
from jotgate.jose import ALGS, Claims, Expect, Key, b64, jwk, jwks, jws, jwt, new_key
from jotgate.jose.jwks import KeySet
from jotgate.wire import feed, feedbatch
from jotgate.wire.feed import Cursor, Entry
from jotgate.wire.feedbatch import Batch, Numbered

ISSUER = "https://auth.example.com"
NOW = 1_800_000_000_123
KEY = new_key("ES256", "k1")
KEYS = jwks.of(KEY)
SIGNABLE = [name for name in ("HS256", "RS256", "ES256", "EdDSA", "ML-DSA-44", "ML-DSA-87") if name in ALGS]


def entries(count: int, after: int = 0) -> list[Numbered]:
    kinds = [("sid", None), ("sub", 1_800_000_000), ("jti", None), ("kid", None)]
    return [
        (after + number, Entry(kind, feed.digest(ISSUER, kind, str(number)), epoch, 1_800_001_000))
        for number in range(1, count + 1)
        for kind, epoch in [kinds[number % 4]]
    ]


@cache
def key_of(alg: str) -> Key:
    if alg == "HS256":
        return jwk.from_private_bytes(alg, "shared", hashlib.sha256(b"gym").digest())
    return new_key(alg, "k")


def sealed(count: int, *, key: Key = KEY, issuer: str = ISSUER, after: int = 0, at: int = NOW) -> list[bytes]:
    return list(
        feedbatch.seal(issuer, key, after=Cursor("i1", after), head=after + count, entries=entries(count, after), at=at)
    )


def read(message: bytes, *, keys: KeySet = KEYS, issuer: str = ISSUER, now: int = NOW) -> Batch:
    return feedbatch.unseal(message, keys, issuer=issuer, now=now)


def signed(payload: dict[str, Any] | bytes, *, key: Key = KEY, typ: str = feedbatch.TYP) -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jws.sign(data, key, header={"typ": typ}).encode()


def said(**changed: Any) -> dict[str, Any]:
    page = {"next": "i1.7", "more": False, "reset": False, "entries": []}
    return {"iss": ISSUER, "at": NOW, "after": "i1.7", "page": page, **changed}


def test_a_subject_is_the_issuers_own_and_tells_nothing_of_it() -> None:
    digest = hashlib.sha256(ISSUER.encode()).hexdigest()[:16]

    assert feedbatch.subject(ISSUER, feedbatch.NEWS) == f"jotgate.feed.{digest}.news"
    assert feedbatch.subject(ISSUER + "/", feedbatch.NEWS) != feedbatch.subject(ISSUER, feedbatch.NEWS)


def test_what_is_sealed_is_read() -> None:
    (message,) = sealed(4, after=38)

    batch = read(message)

    assert (batch.after, batch.reached) == (Cursor("i1", 38), Cursor("i1", 42))
    assert batch.entries == tuple(entry for _, entry in entries(4, 38))
    assert (batch.at, batch.kid, batch.is_beat) == (NOW, "k1", False)


def test_nothing_new_is_a_beat() -> None:
    (message,) = sealed(0, after=42)

    assert read(message) == Batch(Cursor("i1", 42), Cursor("i1", 42), (), NOW, "k1")
    assert read(message).is_beat


@pytest.mark.parametrize("alg", SIGNABLE)
@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
def test_many_entries_are_batches_that_follow_each_other_and_fit_into_a_token(count: int, alg: str) -> None:
    key = key_of(alg)
    batches = [read(message, keys=jwks.of(key)) for message in sealed(count, key=key, after=5)]

    assert batches[0].after == Cursor("i1", 5)
    assert [batch.after for batch in batches[1:]] == [batch.reached for batch in batches[:-1]]
    assert batches[-1].reached == Cursor("i1", 5 + count)
    assert [entry for batch in batches for entry in batch.entries] == [entry for _, entry in entries(count, 5)]
    assert all(len(message) <= jws.MAX_TOKEN for message in sealed(count, key=key))


def test_numbers_whose_entries_matter_no_more_are_left_out() -> None:
    some = entries(9)[::4]
    (message,) = feedbatch.seal(ISSUER, KEY, after=Cursor("i1", 0), head=12, entries=some, at=NOW)

    batch = read(message)

    assert (batch.after.seq, batch.reached.seq, len(batch.entries)) == (0, 12, 3)


def test_an_issuer_whose_name_leaves_no_place_cannot_be_sealed() -> None:
    with pytest.raises(Misuse):
        sealed(1, issuer="https://auth.example.com/" + "a" * 8000)


# --- what is not read


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (lambda: b"", Malformed),
        (lambda: b"hello", Malformed),
        (lambda: b"a" * 1_000_000, Malformed),
        (lambda: sealed(3)[0][:-1], TokenError),
        (lambda: sealed(3)[0] + b"A", TokenError),
        (lambda: sealed(3)[0].replace(b".", b".A", 1), TokenError),
        (lambda: sealed(1, key=new_key("ES256", "k1"))[0], SignatureInvalid),
        (lambda: sealed(1, key=new_key("ES256", "k2"))[0], UnknownKey),
        (lambda: sealed(1, issuer="https://other.example.com")[0], IssuerMismatch),
        (lambda: signed(said(), typ="at+jwt"), TypeMismatch),
        (lambda: signed(said(), typ="JWT"), TypeMismatch),
        (lambda: jws.sign(b"{}", KEY).encode(), TypeMismatch),
        (lambda: signed(b"\xff"), Malformed),
        (lambda: signed(b"[" * 4000), Malformed),
        (lambda: signed(b"{}"), Malformed),
        (lambda: signed(said(at="now")), Malformed),
        (lambda: signed(said(at=-1)), Malformed),
        (lambda: signed(said(after="i1")), Malformed),
        (lambda: signed(said(after="i1.8")), Malformed),  # it goes back
        (lambda: signed(said(after="i2.7")), Malformed),
        (lambda: signed(said(page=[])), Malformed),
        (lambda: signed(said(page={"next": "i1.7"})), Malformed),
        (lambda: signed(said(after="i1.6", page=page_of(2))), Malformed),  # more entries than numbers
    ],
)
def test_anything_else_is_refused(message: Callable[[], bytes], error: type[TokenError]) -> None:
    with pytest.raises(error):
        read(message())


def page_of(count: int) -> dict[str, Any]:
    row = ["sid", "A" * 22, None, 1_800_000_000]
    return {"next": "i1.7", "more": False, "reset": False, "entries": [row] * count}


def test_a_newer_issuer_may_say_more() -> None:
    assert read(signed(said(more="to say"))).is_beat


@pytest.mark.parametrize(
    ("now", "error"),
    [
        (NOW - 10_001, NotYetValid),
        (NOW - 10_000, None),
        (NOW + 10_000, None),
        (NOW + 10_001, Expired),
    ],
)
def test_a_batch_is_good_for_ten_seconds(now: int, error: type[TokenError] | None) -> None:
    (message,) = sealed(1)

    if error is None:
        assert read(message, now=now).entries
    else:
        with pytest.raises(error):
            read(message, now=now)


def test_a_secret_under_another_name_is_told_by_the_key_that_it_is() -> None:
    key = key_of("HS256")
    header, _, rest = sealed(1, key=key)[0].partition(b".")
    assert b"shared" not in header
    nameless = json.dumps({"alg": "HS256", "typ": feedbatch.TYP}).encode()
    payload = rest.partition(b".")[0]

    message = b64.encode_bytes(nameless) + b"." + payload
    message += b"." + b64.encode_bytes(key.sign(message))

    assert read(message, keys=jwks.of(key)).kid == "shared"


# --- a batch is no access token, and the reverse


def test_a_batch_is_no_access_token() -> None:
    (message,) = sealed(1)

    with pytest.raises(TypeMismatch):
        jwt.decode(message, KEYS, Expect(ISSUER, ISSUER), now=NOW // 1000)


def test_an_access_token_is_no_batch() -> None:
    now = NOW // 1000
    token = jwt.encode(
        Claims(iss=ISSUER, sub="ada", aud=(ISSUER,), iat=now, exp=now + 900, jti="j", client_id="c"), KEY
    )

    with pytest.raises(TypeMismatch):
        read(token.encode())
