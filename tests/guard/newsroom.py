"""What an issuer says over NATS, made by hand: batches and beats of a `StandIn`, and a way to publish anything."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from jotgate.guard.batches import Batches
from jotgate.guard.feedread import FeedRead
from jotgate.jose import Key, jwks
from jotgate.wire import feed, feedbatch
from jotgate.wire.feed import Cursor
from tests.guard.standin import StandIn


def told(
    issuer: StandIn,
    after: int,
    head: int | None = None,
    *,
    key: Key | None = None,
    age: float = 0.0,
    incarnation: str | None = None,
) -> bytes:
    """The entries of the issuer from `after` on, up to `head`, as one message."""
    head = len(issuer.entries) if head is None else head
    (message,) = feedbatch.seal(
        issuer.url,
        key or issuer.keys[0],
        after=Cursor(incarnation or issuer.incarnation, after),
        head=head,
        entries=[(number + 1, issuer.entries[number]) for number in range(after, min(head, len(issuer.entries)))],
        at=int((time.time() - age) * 1000),
    )
    return message


def beat(issuer: StandIn, head: int | None = None, **more: Any) -> bytes:
    """How far the issuer's feed reaches."""
    head = len(issuer.entries) if head is None else head
    return told(issuer, head, head, **more)


class Press:
    """A connection that publishes, for the issuer or for somebody who should not."""

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        self._socket = socket.create_connection((server.hostname, server.port), timeout=10)
        self._file = self._socket.makefile("rb")
        self._file.readline()
        self._socket.sendall(b"CONNECT " + json.dumps({"verbose": False}).encode() + b"\r\n")
        self.flush()

    def send(self, subject: str, *messages: bytes) -> None:
        for message in messages:
            self._socket.sendall(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(message), message))

    def news(self, issuer: StandIn, *messages: bytes) -> None:
        self.send(feedbatch.subject(issuer.url, feedbatch.NEWS), *messages)
        self.flush()

    def beat(self, issuer: StandIn) -> None:
        self.send(feedbatch.subject(issuer.url, feedbatch.BEAT), beat(issuer))
        self.flush()

    def flush(self) -> None:
        """The server has taken all of it."""
        self._socket.sendall(b"PING\r\n")
        while (line := self._file.readline()) != b"PONG\r\n":
            if not line:
                raise ConnectionResetError

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def press(url: str) -> Iterator[Press]:
    made = Press(url)
    try:
        yield made
    finally:
        made.close()


class Listening:
    """A reader of the feed, who brings it batches, and what both of them told."""

    def __init__(self, issuer: StandIn, poll_seconds: int = 5) -> None:
        self.issuer = issuer
        self.told: list[bool] = []
        self.woken = 0
        self.keys_wanted = 0
        self.keys: Any = jwks.of(*issuer.keys)
        url = urlsplit(issuer.url)
        self.feed = FeedRead(url, token=None, poll_seconds=poll_seconds, changed=self.told.append, wake=self._wake)
        self.batches = Batches(issuer.url, self.feed, keys=lambda: self.keys, unknown_key=self._want_keys)

    def _wake(self) -> None:
        self.woken += 1

    def _want_keys(self) -> None:
        self.keys_wanted += 1

    def take(self, *messages: bytes) -> None:
        for message in messages:
            self.batches.take(message)

    def knows(self, kind: str, name: str) -> bool:
        return self.feed.revoked.names(feed.digest(self.issuer.url, kind, name))

    def read(self, *, later: float = 0.0) -> float:
        """As the courier does; gives the seconds until it is time again."""
        return self.feed.read(now=time.monotonic() + later)
