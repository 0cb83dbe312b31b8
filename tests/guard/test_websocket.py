"""A WebSocket behind the middleware, message by message: closings, subprotocols, and everything at the same time."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from jotgate.guard import connection, watch
from jotgate.guard.asgi import GuardMiddleware
from tests.guard.peer import NOW, Echo, Peer, World, opened, websocket

pytestmark = pytest.mark.anyio
DENIAL: dict[str, Any] = {"websocket.http.response": {}}
CLOSED = {"type": "websocket.close", "code": 4401, "reason": "token_revoked"}
DISCONNECTED = {"type": "websocket.disconnect", "code": 4401, "reason": "token_revoked"}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.005)
    monkeypatch.setattr(connection, "FAREWELL_SECONDS", 0.2)
    yield
    left = dict(watch._watches)
    watch._watches.clear()
    assert not left, "a watch was left behind"


async def test_it_is_closed_when_its_session_is_and_the_application_hears_of_it() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)

    world.revoke("sid", "s1")

    assert (await peer.over())[2:] == [CLOSED]
    assert app.got[-1] == DISCONNECTED


@pytest.mark.parametrize(("now", "closed"), [(909.9, False), (910, True)])
async def test_it_is_closed_when_its_token_expires(now: float, *, closed: bool) -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)

    world.now = NOW + now
    await asyncio.sleep(0.1)
    peer.say("websocket.disconnect", code=1000)

    expired = {"type": "websocket.close", "code": 4401, "reason": "token_expired"}
    assert (await peer.over())[2:] == ([expired] if closed else [])
    assert app.got[-1]["code"] == (4401 if closed else 1000)


async def test_messages_go_on_both_ways_while_others_are_closed() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)

    for number in range(20):
        world.revoke("sid", f"another{number}")
        peer.say("websocket.receive", text=str(number))
        await peer.until(lambda wanted=number: len(peer.sent) == wanted + 3)  # type: ignore[misc]
    peer.say("websocket.disconnect", code=1001)

    assert [message["text"] for message in (await peer.over())[2:]] == [str(number) for number in range(20)]


# --- subprotocols


@pytest.mark.parametrize(
    ("offered", "own", "answered"),
    [
        (["bearer", "bearer.TOKEN"], None, "bearer"),
        (["bearer.TOKEN", "bearer"], None, "bearer"),
        (["bearer.TOKEN"], None, "bearer.TOKEN"),
        (["chat.v1", "bearer.TOKEN"], "chat.v1", "chat.v1"),
        (["chat.v1", "bearer.TOKEN", "bearer"], "chat.v1", "chat.v1"),
        (["chat.v1", "bearer.TOKEN"], "", "bearer.TOKEN"),
    ],
)
@pytest.mark.parametrize("in_headers", [True, False])
async def test_a_browser_is_answered_one_of_the_subprotocols_that_it_offers(
    offered: list[str], own: str | None, answered: str, *, in_headers: bool
) -> None:
    world, app = World(), Echo(subprotocol=own)
    token = world.token()
    sent = [name.replace("TOKEN", token) for name in offered]
    about = websocket(token, *sent)
    if not in_headers:  # some servers keep it from them
        about["headers"] = about["headers"][:1]

    peer = Peer(GuardMiddleware(app, world.guard()), about)
    peer.say("websocket.connect")
    peer.say("websocket.disconnect", code=1000)
    (accepted,) = await peer.over()

    assert accepted["subprotocol"] == answered.replace("TOKEN", token)
    assert app.subprotocols == [name for name in sent if name != f"bearer.{token}"]


@pytest.mark.parametrize(("accept", "answered"), [({}, None), ({"subprotocol": "chat.v1"}, "chat.v1")])
async def test_without_a_token_among_them_the_answer_is_the_applications(
    accept: dict[str, Any], answered: str | None
) -> None:
    world = World()
    peer = await opened(Echo(**accept), world, subprotocols=["chat.v1", "bearer"])
    peer.say("websocket.disconnect", code=1000)

    assert (await peer.over())[0].get("subprotocol") == answered


async def test_a_second_guard_sees_the_token_as_well() -> None:
    world, app = World(), Echo()
    token = world.token()
    about = websocket(token, "bearer", f"bearer.{token}")
    about["headers"] = about["headers"][:1]
    peer = Peer(GuardMiddleware(GuardMiddleware(app, world.guard()), world.guard()), about)
    peer.say("websocket.connect")
    await peer.until(lambda: peer.kinds() == ["websocket.accept"])

    world.revoke("sid", "s1")

    assert (await peer.over())[1:] == [CLOSED]
    assert app.got[-1] == DISCONNECTED


# --- before it was accepted


@pytest.mark.parametrize("extensions", [None, DENIAL])
async def test_a_token_that_is_over_before_the_handshake_is_answered_is_denied(extensions: Any) -> None:
    world, begun, going_on = World(), asyncio.Event(), asyncio.Event()
    app = Echo()

    async def slow(about: Any, receive: Any, send: Any) -> None:
        begun.set()
        await going_on.wait()
        await app(about, receive, send)

    peer = Peer(GuardMiddleware(slow, world.guard()), websocket(world.token(), extensions=extensions))
    peer.say("websocket.connect")
    await begun.wait()
    world.revoke("sid", "s1")
    await peer.until(lambda: len(peer.sent) == (2 if extensions else 1))
    going_on.set()
    sent = await peer.over()

    assert [message["type"] for message in app.got] == ["websocket.connect", "websocket.disconnect"]
    if extensions:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 401)
        assert json.loads(sent[1]["body"])["code"] == "token_revoked"
    else:
        assert sent == [CLOSED]


async def test_an_application_that_denies_is_not_watched_any_more() -> None:
    world, going_on = World(), asyncio.Event()

    async def deny(about: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await going_on.wait()
        await send({"type": "websocket.http.response.body", "body": b""})

    peer = Peer(GuardMiddleware(deny, world.guard()), websocket(world.token(), extensions=DENIAL))
    await peer.until(lambda: len(peer.sent) == 1)
    assert not watch._watches
    going_on.set()

    assert len(await peer.over()) == 2
