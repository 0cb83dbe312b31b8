"""WebSockets and streams of events through real servers: a client that knows nothing of us, an issuer with its feed."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx2
import pytest
import websockets
from fastapi import Depends, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from jotgate.errors import JotgateError
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, served, wait_for

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:The `websockets` implementation is deprecated"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
]
SERVERS = ["websockets-sansio", "wsproto", "websockets"]


class House:
    """One application, guarded by the middleware or by its routes; `seen` is what its sockets heard at their end."""

    def __init__(self, guard: Guard, *, middleware: bool) -> None:
        self.guard = guard
        self.seen: list[tuple[int, str]] = []
        self.app = FastAPI()
        guards = [] if middleware else [Depends(guard)]
        self.app.websocket("/socket", dependencies=guards)(self.socket)
        self.app.get("/events", dependencies=guards)(self.events)
        self.whole = GuardMiddleware(self.app, guard) if middleware else self.app

    async def socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async for text in self.texts(websocket):
                await websocket.send_text(await self.answer(websocket, text))
        except WebSocketDisconnect as end:
            self.seen.append((end.code, end.reason))

    async def texts(self, websocket: WebSocket) -> AsyncIterator[str]:
        while True:
            yield await websocket.receive_text()

    async def answer(self, websocket: WebSocket, text: str) -> str:
        if not text.startswith("renew "):
            return text
        try:
            return str((await self.guard.renew(websocket, text.removeprefix("renew "))).sid)
        except JotgateError as error:
            return error.code

    async def events(self, request: Request) -> StreamingResponse:
        events = self.ticking()
        if self.whole is self.app:
            events = self.guard.while_valid(request, events)
        return StreamingResponse(events, media_type="text/event-stream")

    async def ticking(self) -> AsyncGenerator[str, None]:
        while True:
            yield "data: tick\n\n"
            await asyncio.sleep(0.02)


@pytest.fixture(params=[True, False], ids=["middleware", "dependency"])
def house(request: pytest.FixtureRequest, issuer: StandIn, guards: Guards) -> House:
    return House(guards(issuer.url), middleware=request.param)


@asynccontextmanager
async def opened(url: str, *offered: str, **options: Any) -> AsyncIterator[websockets.ClientConnection]:
    address = url.replace("http://", "ws://") + "/socket"
    named = [websockets.Subprotocol(name) for name in offered] or None
    async with websockets.connect(address, subprotocols=named, proxy=None, **options) as client:
        yield client


async def closed(client: websockets.ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(20):
        await client.wait_closed()
    return client.close_code or 0, client.close_reason or ""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("server", SERVERS)
async def test_a_session_is_closed_and_so_is_its_socket(house: House, issuer: StandIn, server: str) -> None:
    with served(house.whole, ws=server) as url:
        async with opened(url, "bearer", f"bearer.{issuer.token()}") as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            assert client.subprotocol == "bearer"

            issuer.revoke("sid", "s1")

            assert await closed(client) == (4401, "token_revoked")
        await asyncio.to_thread(wait_for, lambda: bool(house.seen))

    assert house.seen == [(4401, "token_revoked")]


@pytest.mark.parametrize("server", SERVERS)
async def test_a_token_expires_and_its_socket_is_closed(house: House, issuer: StandIn, server: str) -> None:
    now = int(time.time())
    with served(house.whole, ws=server) as url:
        async with opened(url, additional_headers=bearer(issuer.token(iat=now - 60, exp=now - 9))) as client:
            assert await closed(client) == (4401, "token_expired")

    assert time.time() >= now + 1


async def test_a_renewed_socket_outlives_its_first_session(house: House, issuer: StandIn) -> None:
    with served(house.whole) as url:
        token = issuer.token()
        async with opened(url, f"bearer.{token}") as client:
            assert client.subprotocol == f"bearer.{token}"
            answers = []
            for text in (f"renew {issuer.token(sub='bob')}", "renew x.y.z", f"renew {issuer.token(sid='s2')}"):
                await client.send(text)
                answers.append(await client.recv())
            issuer.revoke("sid", "s1")
            await asyncio.sleep(0.5)
            await client.send("still here")
            answers.append(await client.recv())

            issuer.revoke("sid", "s2")

            assert await closed(client) == (4401, "token_revoked")
    assert answers == ["subject_mismatch", "token_malformed", "s2", "still here"]


@pytest.mark.parametrize("server", SERVERS)
async def test_a_token_in_the_address_is_never_read(house: House, issuer: StandIn, server: str) -> None:
    token = issuer.token()
    with served(house.whole, ws=server) as url:
        for name in ("token", "access_token", "authorization", "bearer"):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"{url.replace('http', 'ws')}/socket?{name}={token}", proxy=None)
            assert refused.value.response.status_code == 401
            async with httpx2.AsyncClient(base_url=url) as client:
                assert (await client.get("/events", params={name: token})).status_code == 401


async def test_a_cookie_opens_a_socket_for_pages_of_this_origin_alone(issuer: StandIn, guards: Guards) -> None:
    house = House(guards(issuer.url, cookie="at", origins=["https://app.example.com"]), middleware=False)
    sent = {"Cookie": f"at={issuer.token()}"}
    with served(house.whole) as url:
        for origin in (url, "https://app.example.com"):
            async with opened(url, origin=origin, additional_headers=sent) as client:
                await client.send("hello")
                assert await client.recv() == "hello"
        for stranger in (None, "https://evil.example.com", "null", url + ".evil.example.com"):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await opened(url, origin=stranger, additional_headers=sent).__aenter__()
            assert refused.value.response.status_code == 403
            assert b"cross_site" in (refused.value.response.body or b"")


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_stream_of_events_ends_with_its_session(house: House, issuer: StandIn, http: str) -> None:
    headers = bearer(issuer.token())
    with served(house.whole, http=http) as url:
        async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
            async with client.stream("GET", "/events") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "data: tick"

                issuer.revoke("sid", "s1")

                async with asyncio.timeout(20):
                    assert {line async for line in lines} <= {"", "data: tick"}  # it ended, and in order
            again = await client.get("/events")

    assert (again.status_code, again.json()["code"]) == (401, "token_revoked")


async def test_a_guard_that_denies_without_news_closes_with_4503(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, on_stale="deny", max_staleness=2)
    house = House(guard, middleware=True)
    with served(house.whole) as url:
        async with opened(url, additional_headers=bearer(issuer.token())) as client:
            issuer.feed_answer = (500, {}, b"")

            assert await closed(client) == (4503, "news_stale")


async def test_a_hundred_sockets_of_one_session_are_all_closed(house: House, issuer: StandIn) -> None:
    headers, other = bearer(issuer.token()), bearer(issuer.token(sid="s2"))
    with served(house.whole) as url:
        async with opened(url, additional_headers=other) as survivor:
            clients = [
                await websockets.connect(url.replace("http", "ws") + "/socket", additional_headers=headers, proxy=None)
                for _ in range(100)
            ]
            issuer.revoke("sid", "s1")

            assert {await closed(client) for client in clients} == {(4401, "token_revoked")}
            await survivor.send("hello")
            assert await survivor.recv() == "hello"


async def test_who_is_asking_is_found_where_it_always_is(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url)
    app = FastAPI()

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, who: Annotated[Principal, Depends(guard)]) -> None:
        await websocket.accept()
        await websocket.send_json([who.sub, websocket.state.principal is who, websocket.scope["subprotocols"]])

    with served(app) as url:
        async with opened(url, "bearer", f"bearer.{issuer.token()}") as client:
            assert await client.recv() == '["ada",true,["bearer"]]'
