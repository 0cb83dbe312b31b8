"""A server's end of one connection, in memory; and an issuer in the same process that can revoke at once."""

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from jotgate.guard.asgi import App, GuardMiddleware
from jotgate.guard.guard import Guard
from jotgate.guard.revoked import Revoked
from jotgate.jose import Key, jwk, jwks, jwt, new_key
from jotgate.jose.jwks import KeySet
from jotgate.wire import feed
from tests.guard.standin import claims

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
NOW = 1_800_000_000
Message = MutableMapping[str, Any]


def public(*keys: Key) -> KeySet:
    return jwks.of(*(jwk.public_half(key) for key in keys))


@dataclass
class World:
    """What a guard relies on: keys, news and time, all of which can be changed."""

    now: float = NOW
    keys: KeySet = field(default_factory=lambda: public(KEY))
    revoked: Revoked = field(default_factory=Revoked)
    told: int = 0

    def guard(self) -> Guard:
        made = Guard.local(ISSUER, keys=lambda: self.keys, revoked=self.revoked, audience=ISSUER)
        made.clock = lambda: self.now
        return made

    def token(self, key: Key = KEY, **changed: Any) -> str:
        return jwt.encode(claims(ISSUER, **({"iat": NOW, "exp": NOW + 900} | changed)), key)

    def revoke(self, kind: str, name: str, epoch: int | None = None) -> None:
        self.told += 1
        entry = feed.Entry(kind, feed.digest(ISSUER, kind, name), epoch, 2**40)
        self.revoked.take(feed.Page(f"i.{self.told}", more=False, reset=False, entries=(entry,)))


class Peer:
    """Plays one connection of an application: `say` is what the client sends, `sent` what it gets."""

    def __init__(self, app: App, about: Message) -> None:
        self.sent: list[Message] = []
        self.opening = asyncio.Event()  # unset, the server's `send` waits: the client does not read
        self.opening.set()
        self.broken: Exception | None = None  # what `send` raises
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self.task = asyncio.ensure_future(app(about, self._receive, self._send))

    def say(self, kind: str, **more: Any) -> None:
        self._said.put_nowait({"type": kind, **more})

    async def _receive(self) -> Message:
        message = await self._said.get()
        if message["type"] == "broken":
            raise message["error"]
        return message

    async def _send(self, message: Message) -> None:
        await self.opening.wait()
        if self.broken is not None:
            raise self.broken
        self.sent.append(message)

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.sent]

    async def until(self, condition: Callable[[], bool]) -> None:
        """A few ticks at most."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  # of what is watched nothing tells
                await asyncio.sleep(0.002)

    async def over(self) -> list[Message]:
        """All that was sent, when the application has returned."""
        async with asyncio.timeout(10):
            await self.task
        return self.sent


def websocket(token: str, *offered: str, **more: Any) -> dict[str, Any]:
    """A handshake with the token in the header, or in a subprotocol where some are offered."""
    headers = [(b"host", b"api.test"), (b"authorization", f"Bearer {token}".encode())]
    if offered:
        headers = [(b"host", b"api.test"), (b"sec-websocket-protocol", ", ".join(offered).encode())]
    about: dict[str, Any] = {
        "type": "websocket",
        "path": "/socket",
        "query_string": b"",
        "scheme": "ws",
        "headers": headers,
    }
    return about | {"subprotocols": list(offered)} | more


def http(token: str, **more: Any) -> dict[str, Any]:
    headers = [(b"host", b"api.test"), (b"authorization", f"Bearer {token}".encode())]
    about: dict[str, Any] = {"type": "http", "method": "GET", "path": "/events", "query_string": b"", "scheme": "http"}
    return about | {"headers": headers} | more


class Echo:
    """Accepts, answers what it gets, and returns at the end; `got` is all that it received."""

    def __init__(self, **accept: Any) -> None:
        self.accept = accept
        self.got: list[Message] = []
        self.subprotocols: list[str] = []

    async def __call__(self, about: Message, receive: Any, send: Any) -> None:
        self.subprotocols = about["subprotocols"]
        self.got.append(await receive())
        await send({"type": "websocket.accept", **self.accept})
        while self.got[-1]["type"] != "websocket.disconnect":
            self.got.append(await receive())
            if self.got[-1]["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": self.got[-1]["text"]})


async def opened(app: Any, world: World, *offered: str, **more: Any) -> Peer:
    """A connection that has been accepted and has heard an answer."""
    peer = Peer(GuardMiddleware(app, world.guard()), websocket(world.token(), *offered, **more))
    peer.say("websocket.connect")
    peer.say("websocket.receive", text="hello")
    await peer.until(lambda: len(peer.sent) == 2)
    return peer
