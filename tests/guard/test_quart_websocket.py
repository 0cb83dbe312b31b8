"""WebSockets of Quart: refused before they are accepted, and closed when their token is over."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from quart import Blueprint, Quart, Response, request, websocket
from quart.testing import WebsocketResponseError
from quart.testing.connections import WebsocketDisconnectError

from jotgate.errors import TokenMissing
from jotgate.guard import quart, watch
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.flask import current_principal
from jotgate.guard.guard import Guard
from tests.guard import peer
from tests.guard.peer import NOW, Peer, World
from tests.guard.test_quart import GUARD, bearer, code, opened

pytestmark = pytest.mark.anyio
CLOSED = "websocket.close"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.005)
    yield
    left = dict(watch._watches)
    watch._watches.clear()
    assert not left, "a watch was left behind"


def sockets() -> Quart:
    app = Quart(__name__)

    @app.websocket("/me")
    @GUARD.required()
    async def hello() -> None:
        await websocket.send(current_principal.sub)

    @app.websocket("/early")
    @GUARD.required(role="owner")
    async def early() -> None:
        raise AssertionError

    @app.websocket("/late")
    @GUARD.required()
    async def late() -> None:
        await websocket.accept()
        current_principal.require(role="owner")

    @app.websocket("/later")
    async def later() -> None:
        await websocket.accept()
        raise TokenMissing

    return app


async def test_a_websocket_with_a_good_token_is_opened() -> None:
    assert await opened(sockets(), "/me", bearer()) == "ada"
    offered = {"Sec-WebSocket-Protocol": f"chat, bearer.{bearer()['Authorization'].removeprefix('Bearer ')}"}
    assert await opened(sockets(), "/me", offered) == "ada"


async def test_a_websocket_is_denied_with_the_whole_answer() -> None:
    app = sockets()

    with pytest.raises(WebsocketResponseError) as missing:
        await opened(app, "/me", {})
    with pytest.raises(WebsocketResponseError) as role:
        await opened(app, "/early", bearer())

    assert await code(missing.value.response) == (401, "token_missing")
    assert missing.value.response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert await code(role.value.response) == (403, "role_missing")


async def test_an_open_websocket_is_closed_when_it_is_forbidden() -> None:
    app = sockets()
    with pytest.raises(WebsocketDisconnectError) as forbidden:
        await opened(app, "/late", bearer())

    GUARD.flask(app)
    with pytest.raises(WebsocketDisconnectError) as missing:
        await opened(app, "/later", {})

    assert (forbidden.value.args, missing.value.args) == ((4403,), (4401,))


async def test_a_websocket_is_closed_where_the_server_knows_no_denial() -> None:
    nothing: dict[str, Any] = {}
    for extensions in (None, nothing):
        about = peer.websocket("x", path="/me", asgi={"spec_version": "2.3"}, extensions=extensions)

        sent = await Peer(served(sockets()), about).over()

        assert sent == [{"type": CLOSED, "code": 4401, "reason": "token_malformed"}]


# --- as long as its token


def served(app: Quart) -> Any:
    """As a server calls it."""
    return app


def echo(guard: Guard, ends: list[str], **required: Any) -> Quart:
    app = Quart(__name__)

    @app.websocket("/socket")
    @guard.required(**required)
    async def socket() -> None:
        await websocket.accept()
        try:
            while True:
                heard = await websocket.receive()
                if isinstance(heard, bytes):
                    heard = f"now {(await guard.renew(websocket, heard)).sid}"
                await websocket.send(heard)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    return app


def handshake(token: str, *offered: str) -> dict[str, Any]:
    return peer.websocket(token, *offered, asgi={"spec_version": "2.3"}, extensions={})


async def heard(client: Peer, text: str | bytes) -> str:
    def answers() -> list[str]:
        return [str(message["text"]) for message in client.sent if message["type"] == "websocket.send"]

    before = len(answers())
    client.say("websocket.receive", **{"text" if isinstance(text, str) else "bytes": text})
    await client.until(lambda: len(answers()) > before)
    return answers()[-1]


async def test_it_is_closed_when_its_session_is_and_its_view_is_cancelled() -> None:
    world, ends = World(), list[str]()
    client = Peer(served(echo(world.guard(), ends)), handshake(world.token()))
    assert await heard(client, "hello") == "hello"

    world.revoke("sid", "s1")

    assert (await client.over())[-1] == {"type": CLOSED, "code": 4401, "reason": "token_revoked"}
    assert ends == ["cancelled"]


async def test_a_client_that_does_not_let_it_be_closed_is_not_heard_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quart, "_CLOSING_SECONDS", 0.1)
    world, ends = World(), list[str]()
    client = Peer(served(echo(world.guard(), ends)), handshake(world.token()))
    assert await heard(client, "hello") == "hello"
    client.opening.clear()

    world.revoke("sid", "s1")
    await asyncio.sleep(0.05)
    client.say("websocket.receive", text="too late")
    await client.over()

    assert [message["type"] for message in client.sent] == ["websocket.accept", "websocket.send"]
    assert ends == ["cancelled"]


async def test_a_view_that_only_sends_is_ended_too() -> None:
    world = World()
    app = Quart(__name__)

    @app.websocket("/socket")
    @world.guard().required()
    async def socket() -> None:
        while True:
            await websocket.send("tick")

    client = Peer(served(app), handshake(world.token()))
    await client.until(lambda: len(client.sent) > 3)

    world.revoke("sid", "s1")

    assert (await client.over())[-1] == {"type": CLOSED, "code": 4401, "reason": "token_revoked"}


async def test_it_is_closed_when_its_token_expires_and_not_before() -> None:
    world = World()
    client = Peer(served(echo(world.guard(), [])), handshake(world.token(exp=NOW + 60)))
    world.now = NOW + 60 + 9
    await asyncio.sleep(0.1)
    assert await heard(client, "hello") == "hello"

    world.now = NOW + 60 + 10

    assert (await client.over())[-1] == {"type": CLOSED, "code": 4401, "reason": "token_expired"}


async def test_it_is_renewed_by_a_token_that_has_what_was_required() -> None:
    world = World()
    client = Peer(served(echo(world.guard(), [], role="manager")), handshake(world.token()))

    assert await heard(client, world.token(sid="s2").encode()) == "now s2"
    world.revoke("sid", "s1")
    await asyncio.sleep(0.1)
    assert await heard(client, "hello") == "hello"
    client.say("websocket.receive", bytes=world.token(sid="s3", roles=()).encode())

    assert (await client.over())[-1] == {"type": CLOSED, "code": 4403, "reason": "role_missing"}


@pytest.mark.parametrize(
    ("offered", "chosen", "answer"),
    [
        (["bearer", "bearer.{}"], None, "bearer"),
        (["chat", "bearer.{}"], "chat", "chat"),
        (["bearer.{}"], None, "bearer.{}"),
        ([], None, None),
    ],
)
async def test_a_browser_is_answered_one_of_the_subprotocols_that_it_offers(
    offered: list[str], chosen: str | None, answer: str | None
) -> None:
    world = World()
    app, token = Quart(__name__), world.token()

    @app.websocket("/socket")
    @world.guard().required()
    async def socket() -> None:
        await websocket.accept(subprotocol=chosen)

    client = Peer(served(app), handshake(token, *(name.format(token) for name in offered)))

    assert (await client.over())[0]["subprotocol"] == (answer and answer.format(token))


async def test_a_function_before_the_websockets_of_a_blueprint_guards_them_all() -> None:
    world = World()
    guard, blueprint, app = world.guard(), Blueprint("live", __name__), Quart(__name__)

    @blueprint.before_websocket
    @guard.required()
    async def callers() -> None: ...

    @blueprint.websocket("/socket")
    @guard.required(role="manager")
    async def socket() -> None:
        await websocket.send(current_principal.sub)
        await websocket.receive()

    app.register_blueprint(blueprint)
    client = Peer(served(app), handshake(world.token()))
    await client.until(lambda: len(client.sent) == 2)

    world.revoke("sid", "s1")

    assert client.sent[1]["text"] == "ada"
    assert (await client.over())[-1]["code"] == 4401


async def test_what_runs_in_a_thread_guards_no_websocket() -> None:
    app = Quart(__name__)
    app.before_websocket(GUARD.required()(lambda: None))
    app.testing = True  # Quart shows the error then

    @app.websocket("/socket")
    async def socket() -> None:
        raise AssertionError

    with pytest.raises(WebsocketResponseError) as refused:
        await opened(app, "/socket", bearer())

    assert refused.value.response.status_code == 500
    assert b"guarded by an `async` function" in await refused.value.response.get_data()


async def test_a_middleware_of_the_same_guard_watches_alone() -> None:
    world = World()
    guard = world.guard()
    app = echo(guard, [], role="manager")
    app.asgi_app = GuardMiddleware(served(app).asgi_app, guard)  # type: ignore[method-assign,assignment]
    client = Peer(served(app), handshake(world.token()))
    assert await heard(client, "hello") == "hello"

    world.revoke("sid", "s1")
    sent = await client.over()

    assert [message["type"] for message in sent].count(CLOSED) == 1
    assert sent[-1] == {"type": CLOSED, "code": 4401, "reason": "token_revoked"}


async def test_who_came_in_as_nobody_is_not_watched() -> None:
    app = Quart(__name__)

    @app.websocket("/socket")
    @GUARD.required(optional=True)
    async def socket() -> None:
        await websocket.send("somebody" if current_principal else "nobody")
        assert not watch._watches

    assert await opened(app, "/socket", {}) == "nobody"


async def test_a_stream_of_events_ends_with_its_token_too() -> None:
    world = World()
    guard, app = world.guard(), Quart(__name__)

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        world.revoke("sid", "s1")
        await asyncio.sleep(60)
        raise AssertionError

    @app.get("/events")
    @guard.required()
    async def stream() -> Response:
        return Response(guard.while_valid(request.scope, events()), content_type="text/event-stream")

    answer = await app.test_client().get("/events", headers={"Authorization": f"Bearer {world.token()}"})

    assert await answer.get_data() == b"data: 1\n\n"
