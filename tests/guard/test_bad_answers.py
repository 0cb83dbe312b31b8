"""Whatever an issuer answers when it is asked again: what a guard knows stays, and its status says what was wrong."""

import json
import socket
from collections.abc import Iterator
from time import monotonic

import pytest

from jotgate.guard.guard import Guard
from jotgate.guard.keyfetch import KEYS_BYTES
from jotgate.jose import Key, jwks, new_key, strictjson
from jotgate.wire import feed
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, wait_for
from tests.guard.test_fetch import listening
from tests.guard.test_keyfetch import HOSTILE as BAD_KEYS

JSON = b"Content-Type: application/json\r\n"
KEY = new_key("ES256", "k1")


def http(body: bytes, *, status: str = "200 OK", headers: bytes = JSON) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status.encode() + b"\r\n" + headers + length + b"Connection: close\r\n\r\n" + body


def key_set(*keys: Key) -> bytes:
    return strictjson.dumps(jwks.of(*keys).export())


def page(*entries: feed.Entry, cursor: str = "i1.1", reset: bool = False) -> bytes:
    return feed.encode_page(feed.Page(cursor, more=False, reset=reset, entries=entries))


class RawIssuer:
    """Answers byte for byte what it is told to."""

    def __init__(self) -> None:
        self.keys = http(key_set(KEY))
        self.feed = http(page(reset=True))
        self.asked: list[bytes] = []

    def serve(self, connection: socket.socket) -> None:
        request = connection.recv(65536)
        self.asked.append(request.split(b" ")[1].partition(b"?")[0])
        connection.sendall(self.keys if self.asked[-1].endswith(b"jwks.json") else self.feed)


@pytest.fixture
def raw() -> RawIssuer:
    return RawIssuer()


@pytest.fixture
def issuer(raw: RawIssuer) -> Iterator[StandIn]:
    """It has the same key, to make tokens with."""
    standin = StandIn()
    standin.keys = [KEY]
    with listening(raw.serve) as url:
        standin.url = url
        yield standin


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[bytes]]]:
    """Another host, with a key set that anybody would take; and what it was asked."""
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(http(key_set(KEY, new_key("ES256", "k2"))))

    with listening(serve) as url:
        yield url, asked


def fetch_keys_again(guard: Guard) -> None:
    assert guard._courier is not None
    guard._courier._keys.demand(since=monotonic()).result(30)


NO_ANSWERS = {
    "nothing: the connection is closed": b"",
    "no HTTP": b"\x16\x03\x01\x02\x00 garbage\r\n\r\n",
    "half an answer": http(key_set(KEY))[:-20],
    "a body without an end": b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\n" + b" " * (4 << 20),
    "headers without an end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * (4 << 20),
    "packed": http(b"\x1f\x8b\x08", headers=JSON + b"Content-Encoding: gzip\r\n"),
    "401": http(b"{}", status="401 Unauthorized"),
    "503": http(b"{}", status="503 Service Unavailable", headers=JSON + b"Retry-After: 1\r\n"),
    "a byte over what is parsed": http(key_set(KEY).ljust(jwks.MAX_BYTES + 1)),
    "a byte over 1 MiB": http(key_set(KEY).ljust(KEYS_BYTES + 1)),
}
ANSWERS = {
    name: http(body, status=f"{status} Because", headers=b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items()))
    for name, (status, headers, body) in BAD_KEYS.items()
    if status != 204
}
NAMED = ("garbage", "html", "500", "redirect to another host", "10 MB", "private parts", "the same kid twice")


def test_the_table_has_what_everybody_fears() -> None:
    assert ANSWERS.keys() >= set(NAMED)


@pytest.mark.parametrize("answer", (NO_ANSWERS | ANSWERS).values(), ids=NO_ANSWERS | ANSWERS)
def test_a_bad_key_set_changes_nothing_and_is_reported(
    raw: RawIssuer, issuer: StandIn, guards: Guards, answer: bytes
) -> None:
    guard = guards(issuer.url, revocation=None)
    old = issuer.token()
    guard.verify(old)
    assert guard.status().problems == ()

    raw.keys = answer
    fetch_keys_again(guard)

    assert guard.verify(old).sub == guard.verify(issuer.token(jti="j2")).sub == "ada"
    status = guard.status()
    assert len(status.problems) == 1
    assert status.problems[0]
    assert status.keys_age is not None
    assert set(raw.asked) == {b"/.well-known/jwks.json"}
    raw.keys = http(key_set(KEY))
    fetch_keys_again(guard)
    assert guard.status().problems == ()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_no_redirect_is_followed(
    raw: RawIssuer, issuer: StandIn, guards: Guards, elsewhere: tuple[str, list[bytes]], status: str
) -> None:
    url, asked = elsewhere
    guard = guards(issuer.url, revocation=None)
    guard.verify(issuer.token())

    raw.keys = http(b"", status=status, headers=f"Location: {url}/.well-known/jwks.json\r\n".encode())
    fetch_keys_again(guard)

    assert guard.verify(issuer.token(jti="j2")).sub == "ada"
    assert guard.status().problems == (f"the answer has status {status[:3]}",)
    assert asked == []


def test_a_key_set_may_be_as_large_as_a_hundred_keys_are(raw: RawIssuer, issuer: StandIn, guards: Guards) -> None:
    raw.keys = http(key_set(KEY).ljust(jwks.MAX_BYTES))

    assert guards(issuer.url, revocation=None).verify(issuer.token()).sub == "ada"


GONE = feed.Entry("sid", feed.digest("http://elsewhere", "sid", "s"), None, 2**33)
BAD_PAGES = {
    "nothing: the connection is closed": b"",
    "garbage": http(b"\x00\xff garbage"),
    "html": http(b"<!doctype html>", headers=b"Content-Type: text/html\r\n"),
    "500": http(b"oops", status="500 Oops"),
    "redirect to another host": http(b"", status="302 Found", headers=b"Location: https://feed.example.com/\r\n"),
    "10 MB": http(page(reset=True).ljust(10_000_000)),
    "a byte over 2 MiB": http(page(reset=True).ljust(feed.MAX_PAGE_BYTES + 1)),
    "an entry too many": http(page(*[GONE] * (feed.MAX_PAGE_ENTRIES + 1), reset=True)),
    "a digest too short": http(
        json.dumps({"next": "i1.2", "more": False, "reset": True, "entries": [["sid", "A", None, 1]]}).encode()
    ),
}


@pytest.mark.parametrize("answer", BAD_PAGES.values(), ids=BAD_PAGES)
def test_a_bad_page_of_the_feed_changes_nothing_and_is_reported(
    raw: RawIssuer, issuer: StandIn, guards: Guards, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr("jotgate.guard.feedread.HASTE_SECONDS", 0.05)
    known = feed.Entry("sid", feed.digest(issuer.url, "sid", "s9"), None, 2**33)
    raw.feed = http(page(known, reset=True))
    guard = guards(issuer.url)
    assert guard.verify(issuer.token()).sub == "ada"

    raw.feed = answer
    wait_for(lambda: guard.status().news == "failing")

    status = guard.status()
    assert (status.revocations, len(status.problems)) == (1, 1)
    assert guard.verify(issuer.token(jti="j2")).sub == "ada"
    raw.feed = http(page(cursor="i1.3"))
    wait_for(lambda: guard.status().news == "open")
    assert (guard.status().revocations, guard.status().problems) == (1, ())
