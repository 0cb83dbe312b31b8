"""A small issuer for the guard's tests: a real server with keys, a feed, and any bad answer that a test asks for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from jotgate.jose import Claims, Key, jwks, jwt, new_key, strictjson
from jotgate.wire import feed

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Answer = tuple[int, dict[str, str], bytes]

NOW = 1_800_000_000


def claims(issuer: str, **changed: Any) -> Claims:
    now = int(time.time())
    said: dict[str, Any] = {
        "iss": issuer,
        "sub": "ada",
        "aud": (issuer,),
        "iat": now,
        "exp": now + 900,
        "jti": "j1",
        "sid": "s1",
        "scope": "members:read",
        "roles": ("manager",),
        "client_id": "jotgate",
        "epoch": 5,
    }
    return Claims(**(said | changed))


class StandIn:
    """`keys_answer`, `feed_answer`: what is said instead of the truth. `asked`: every path, in order."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.url = ""
        self.keys: list[Key] = [new_key("ES256", "k1")]
        self.entries: list[feed.Entry] = []
        self.incarnation = "i1"
        self.page_size = 10_000
        self.asked: list[str] = []
        self.authorizations: list[str] = []
        self.keys_answer: Answer | None = None
        self.keys_pause = 0.0
        self.feed_answer: Answer | None = None
        self.closing = False

    @property
    def keys_asked(self) -> int:
        return sum(path.endswith("/jwks.json") for path in self.asked)

    @property
    def feed_asked(self) -> int:
        return sum("/revocations" in path for path in self.asked)

    def token(self, key: Key | None = None, **changed: Any) -> str:
        return jwt.encode(claims(self.url, **changed), key or self.keys[0])

    def revoke(self, kind: str, name: str, epoch: int | None = None, until: int | None = None) -> None:
        lasting = int(time.time()) + 1000 if until is None else until
        self.entries.append(feed.Entry(kind, feed.digest(self.url, kind, name), epoch, lasting))

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        path = scope["path"]
        self.asked.append(path + ("?" + scope["query_string"].decode() if scope["query_string"] else ""))
        self.authorizations += [value.decode() for name, value in scope["headers"] if name == b"authorization"]
        if path == f"{self.path}/.well-known/jwks.json":
            await asyncio.sleep(self.keys_pause)
            await _send(send, self.keys_answer or _json(jwks.of(*self.keys).export()))
        elif path == f"{self.path}/revocations":
            await _send(send, self.feed_answer or await self._news(parse_qs(scope["query_string"].decode())))
        else:
            await _send(send, (404, {}, b""))

    async def _news(self, query: dict[str, list[str]]) -> Answer:
        after = query.get("after", [""])[0]
        known = after.startswith(self.incarnation + ".")
        seq = int(after.rpartition(".")[2]) if known else 0
        until = time.monotonic() + float(query.get("wait", ["0"])[0])
        while known and seq >= len(self.entries) and time.monotonic() < until and not self.closing:
            if self.feed_answer is not None:
                return self.feed_answer
            await asyncio.sleep(0.01)
            known = after.startswith(self.incarnation + ".")
        seq = seq if known else 0
        entries = tuple(self.entries[seq : seq + self.page_size])
        reached = seq + len(entries)
        page = feed.Page(f"{self.incarnation}.{reached}", reached < len(self.entries), not known, entries)
        return 200, {"content-type": "application/json"}, feed.encode_page(page)


class Tenants:
    """Many issuers behind one server, each below a path of its own; none of them notices."""

    def __init__(self) -> None:
        self.url = ""
        self._standins: list[StandIn] = []

    def move_in(self, standin: StandIn) -> StandIn:
        standin.url = f"{self.url}/{len(self._standins)}"
        self._standins.append(standin)
        return standin

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        number, _, path = scope["path"].lstrip("/").partition("/")
        await self._standins[int(number)]({**scope, "path": f"/{path}"}, receive, send)


def _json(value: object) -> Answer:
    return 200, {"content-type": "application/json"}, strictjson.dumps(value)


async def _send(send: Send, answer: Answer) -> None:
    status, headers, body = answer
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def served(app: App, port: int = 0, **options: Any) -> Iterator[str]:
    """The application behind a real server in a thread; its URL."""
    settings: dict[str, Any] = {"lifespan": "off", "log_level": "critical", "timeout_graceful_shutdown": 2}
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, **(settings | options)))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def issuing(standin: StandIn, port: int = 0) -> Iterator[StandIn]:
    with served(standin, port) as url:
        standin.url = url + standin.path
        standin.closing = False
        try:
            yield standin
        finally:
            standin.closing = True


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Until it holds; a test that waits longer fails."""
    deadline = time.monotonic() + seconds
    tick = Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        tick.wait(0.01)
