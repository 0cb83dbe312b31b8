"""Renewal in band, and WebSockets behind FastAPI's dependency."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Security, WebSocket
from starlette.websockets import WebSocketDisconnect

from jotgate.errors import (
    Expired,
    Forbidden,
    JotgateError,
    Malformed,
    Misuse,
    Revoked,
    RoleMissing,
    ScopeMissing,
    StepUpRequired,
    SubjectMismatch,
)
from jotgate.guard import connection, watch
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal
from tests.guard.peer import NOW, Message, Peer, World, http, websocket

pytestmark = pytest.mark.anyio
CLOSED = {"type": "websocket.close", "code": 4401, "reason": "token_revoked"}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.005)
    monkeypatch.setattr(connection, "FAREWELL_SECONDS", 0.2)
    yield
    left = dict(watch._watches)
    watch._watches.clear()
    assert not left, "a watch was left behind"


# --- behind the middleware


class Held:
    """An application that holds a connection and does nothing with it."""

    def __init__(self) -> None:
        self.scope: Message = {}

    async def __call__(self, about: Message, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.scope = {**about}  # as frameworks copy it
        await receive()


async def held(world: World, guard: Guard, **changed: Any) -> tuple[Peer, Message]:
    app = Held()
    peer = Peer(GuardMiddleware(app, guard), websocket(world.token(**changed)))
    peer.say("websocket.connect")
    await peer.until(lambda: bool(app.scope))
    return peer, app.scope


async def test_a_renewed_connection_lasts_by_the_new_token_and_says_who_it_is() -> None:
    world = World()
    guard = world.guard()
    peer, about = await held(world, guard)

    who = await guard.renew(about, world.token(exp=NOW + 1800, sid="s2", roles=("owner",)))
    world.now = NOW + 1000
    world.revoke("sid", "s1")
    await asyncio.sleep(0.05)

    assert who.roles == ("owner",)
    assert about["principal"] is about["state"]["principal"] is who
    assert peer.kinds() == ["websocket.accept"]
    world.revoke("sid", "s2")
    assert (await peer.over())[1:] == [CLOSED]


async def test_a_connection_that_two_middlewares_of_one_guard_let_through_is_renewed_as_one() -> None:
    world, app = World(), Held()
    guard = world.guard()
    peer = Peer(GuardMiddleware(GuardMiddleware(app, guard), guard), websocket(world.token()))
    peer.say("websocket.connect")
    await peer.until(lambda: bool(app.scope))

    await guard.renew(app.scope, world.token(sid="s2"))
    world.revoke("sid", "s1")
    await asyncio.sleep(0.05)
    assert peer.kinds() == ["websocket.accept"]
    world.revoke("sid", "s2")

    assert (await peer.over())[1:] == [CLOSED]


async def test_a_token_in_bytes_renews_as_well() -> None:
    world = World()
    guard = world.guard()
    peer, about = await held(world, guard)

    assert (await guard.renew(about, world.token(sid="s2").encode())).sid == "s2"
    with pytest.raises(Malformed):
        await guard.renew(about, b"\xff")

    peer.say("websocket.disconnect", code=1000)
    await peer.over()


async def test_a_token_that_is_refused_changes_nothing() -> None:
    world = World()
    guard = world.guard()
    peer, about = await held(world, guard)
    before = about["principal"]
    refused: list[tuple[Any, type[JotgateError]]] = [
        (world.token(sub="bob"), SubjectMismatch),
        (world.token(exp=NOW - 100, iat=NOW - 200), Expired),
        ("x.y.z", Malformed),
        (None, Malformed),
    ]

    for token, error in refused:
        with pytest.raises(error):
            await guard.renew(about, token)

    assert about["principal"] is about["state"]["principal"] is before
    assert peer.kinds() == ["websocket.accept"]
    world.revoke("sid", "s1")
    assert (await peer.over())[1:] == [CLOSED]


async def test_a_connection_that_is_over_cannot_be_renewed() -> None:
    world = World()
    guard = world.guard()
    peer, about = await held(world, guard)
    world.revoke("sid", "s1")
    await peer.over()

    with pytest.raises(Revoked):
        await guard.renew(about, world.token(sid="s2"))


async def test_what_no_guard_watches_cannot_be_renewed() -> None:
    world = World()
    guard = world.guard()
    peer, about = await held(world, guard)

    with pytest.raises(Misuse):
        await world.guard().renew(about, world.token())
    with pytest.raises(Misuse):
        await guard.renew(http(world.token()), world.token())

    peer.say("websocket.disconnect", code=1000)
    await peer.over()


async def test_a_stream_of_events_can_be_renewed_by_who_holds_its_request() -> None:
    world = World()
    guard = world.guard()
    scopes: list[Message] = []

    async def events(about: Message, receive: Any, send: Any) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
        await send(start)
        scopes.append(about)
        while True:
            await send({"type": "http.response.body", "body": b":\n", "more_body": True})
            await asyncio.sleep(0.002)

    peer = Peer(GuardMiddleware(events, guard), http(world.token()))
    await peer.until(lambda: bool(scopes))

    await guard.renew(scopes[0], world.token(sid="s2"))
    world.revoke("sid", "s1")
    await asyncio.sleep(0.05)
    assert not peer.task.done()
    world.revoke("sid", "s2")

    assert (await peer.over())[-1] == {"type": "http.response.body", "body": b""}


# --- behind FastAPI's dependency


class Room:
    """An application whose routes ask for more or less; they answer `renew TOKEN` by what came of it."""

    def __init__(self, *, middleware: bool = False) -> None:
        self.world = World()
        self.guard = guard = self.world.guard()
        self.app = app = FastAPI()
        self.seen: list[object] = []
        manager = Depends(guard.require(role="manager"))

        @app.websocket("/socket")
        async def anybody(websocket: WebSocket, who: Annotated[Principal, Depends(guard)]) -> None:
            await self.talk(websocket)

        @app.websocket("/manager", dependencies=[manager])
        async def managers(websocket: WebSocket) -> None:
            await self.talk(websocket)

        @app.websocket("/scope")
        async def scoped(
            websocket: WebSocket,
            who: Annotated[Principal, Security(guard, scopes=["members:read"])],
            again: Annotated[Principal, Depends(guard)],
        ) -> None:
            await self.talk(websocket)

        @app.websocket("/fresh", dependencies=[Depends(guard.fresh(300))])
        async def fresh(websocket: WebSocket) -> None:
            await self.talk(websocket)

        @app.websocket("/optional")
        async def optional(websocket: WebSocket, who: Annotated[Principal | None, Depends(guard.optional)]) -> None:
            self.seen.append(who)
            await self.talk(websocket)

        if middleware:
            app.add_middleware(GuardMiddleware, guard=guard)

    async def talk(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async for text in websocket.iter_text():
                if text == "bye":
                    return
                if text == "fail":
                    websocket.scope["principal"].require(role="owner")
                await self.answer(websocket, text)
        except WebSocketDisconnect as gone:
            self.seen.append(gone.code)

    async def answer(self, websocket: WebSocket, text: str) -> None:
        try:
            who = await self.guard.renew(websocket, text.removeprefix("renew "))
            await websocket.send_text(f"{who.sid} {websocket.state.principal is who}")
        except JotgateError as error:
            await websocket.send_text(error.code)

    async def enter(self, path: str = "/socket", **changed: Any) -> Peer:
        peer = Peer(self.app, websocket(self.world.token(**changed), path=path))
        peer.say("websocket.connect")
        await peer.until(lambda: bool(peer.sent))
        return peer

    async def renew(self, peer: Peer, **changed: Any) -> str:
        before = len(peer.sent)
        peer.say("websocket.receive", text=f"renew {self.world.token(**changed)}")
        await peer.until(lambda: len(peer.sent) > before)
        return str(peer.sent[-1]["text"])


@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize("path", ["/socket", "/manager", "/scope", "/optional"])
async def test_a_route_is_watched_from_its_dependency_on(path: str, *, middleware: bool) -> None:
    room = Room(middleware=middleware)
    peer = await room.enter(path)

    assert await room.renew(peer, sid="s2") == "s2 True"
    assert await room.renew(peer, sub="bob") == "subject_mismatch"
    room.world.revoke("sid", "s2")

    assert (await peer.over())[-1] == CLOSED
    assert peer.kinds().count("websocket.close") == 1


@pytest.mark.parametrize(
    ("path", "opened_by", "renewed_by", "code"),
    [
        ("/manager", {}, {"roles": ()}, RoleMissing.code),
        ("/scope", {}, {"scope": "payments:read"}, ScopeMissing.code),
        ("/fresh", {"auth_time": NOW - 10}, {"auth_time": NOW - 301}, StepUpRequired.code),
    ],
)
async def test_a_renewing_token_needs_what_the_first_one_needed(
    path: str, opened_by: dict[str, Any], renewed_by: dict[str, Any], code: str
) -> None:
    room = Room()
    peer = await room.enter(path, **opened_by)

    assert await room.renew(peer, sid="s2", **renewed_by) == code
    room.world.revoke("sid", "s2")
    await asyncio.sleep(0.05)
    assert not peer.task.done()

    peer.say("websocket.receive", text="bye")
    await peer.over()


async def test_who_came_in_without_credentials_is_not_watched() -> None:
    room = Room()
    peer = Peer(room.app, websocket("", path="/optional") | {"headers": []})
    peer.say("websocket.connect")
    await peer.until(lambda: bool(peer.sent))
    assert not watch._watches

    assert await room.renew(peer) == "misuse"
    peer.say("websocket.disconnect", code=1001)
    await peer.over()
    assert room.seen == [None]


async def test_an_endpoint_that_returns_is_not_watched_any_more() -> None:
    room = Room()
    peer = await room.enter()

    peer.say("websocket.receive", text="bye")
    await peer.over()
    await asyncio.sleep(0)

    assert not watch._watches


@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize("is_over", [False, True])
async def test_a_refusal_from_inside_closes_once(*, middleware: bool, is_over: bool) -> None:
    room = Room(middleware=middleware)
    peer = await room.enter()
    peer.opening.clear()
    peer.say("websocket.receive", text="fail")
    if is_over:
        room.world.revoke("sid", "s1")
    peer.opening.set()

    (closed,) = (await peer.over())[1:]
    assert closed["type"] == "websocket.close"
    assert closed["code"] in ({4401, 4403} if is_over else {4403})


async def test_a_loop_that_only_sends_ends_as_if_the_client_had_gone() -> None:
    room = Room()
    app = FastAPI()

    @app.websocket("/socket")
    async def ticking(websocket: WebSocket, who: Annotated[Principal, Depends(room.guard)]) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("tick")
                await asyncio.sleep(0.001)
        except WebSocketDisconnect as gone:
            room.seen.append(gone.code)

    room.app = app
    peer = await room.enter()
    room.world.revoke("sid", "s1")

    assert (await peer.over())[-1] == CLOSED
    assert room.seen == [1006]


async def test_a_route_whose_guard_is_overridden_is_not_watched() -> None:
    room = Room()
    room.app.dependency_overrides[room.guard] = lambda: Principal("eve", roles=("manager",))
    peer = await room.enter("/manager")

    assert await room.renew(peer) == "misuse"
    assert not watch._watches
    peer.say("websocket.receive", text="bye")
    await peer.over()


async def test_a_refused_handshake_is_not_watched() -> None:
    room = Room()
    peer = Peer(room.app, websocket(room.world.token(scope="x"), path="/scope"))
    peer.say("websocket.connect")

    assert [message.get("code") for message in await peer.over()] == [4403]
    assert issubclass(ScopeMissing, Forbidden)
