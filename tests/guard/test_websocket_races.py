"""A WebSocket whose token is over at the very moment when something else happens."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from jotgate.guard import connection, watch
from jotgate.guard.asgi import GuardMiddleware
from tests.guard.peer import Echo, Peer, World, opened, websocket

pytestmark = pytest.mark.anyio
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


async def test_what_is_sent_after_the_end_is_an_error_as_if_the_client_had_gone() -> None:
    world = World()
    seen: list[str] = []

    async def talk(about: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await asyncio.sleep(0.001)
        except OSError as error:
            seen.append(str(error))
            await send({"type": "websocket.close", "code": 1000})
            raise

    peer = Peer(GuardMiddleware(talk, world.guard()), websocket(world.token()))
    await peer.until(lambda: len(peer.sent) > 5)
    world.revoke("sid", "s1")
    sent = await peer.over()

    assert sent[-1] == CLOSED
    assert peer.kinds().count("websocket.close") == 1
    assert seen == ["the connection was ended: token_revoked"]


async def test_what_is_being_sent_goes_out_before_the_closing() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)
    peer.opening.clear()
    peer.say("websocket.receive", text="slow")
    await asyncio.sleep(0.02)

    world.revoke("sid", "s1")
    await asyncio.sleep(0.05)
    assert len(peer.sent) == 2
    peer.opening.set()

    assert (await peer.over())[2:] == [{"type": "websocket.send", "text": "slow"}, CLOSED]
    assert app.got[-1] == DISCONNECTED


async def test_who_waits_to_send_when_the_end_comes_sends_nothing() -> None:
    world, ends = World(), list[str]()

    async def two(about: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        peer.opening.clear()
        results = await asyncio.gather(
            *(send({"type": "websocket.send", "text": name}) for name in ("first", "second")), return_exceptions=True
        )
        ends.extend(type(result).__name__ for result in results)

    peer = Peer(GuardMiddleware(two, world.guard()), websocket(world.token()))
    await peer.until(lambda: not peer.opening.is_set())
    world.revoke("sid", "s1")
    await asyncio.sleep(0.05)
    peer.opening.set()

    assert (await peer.over())[1:] == [{"type": "websocket.send", "text": "first"}, CLOSED]
    assert ends == ["NoneType", "Ended"]


async def test_several_senders_and_receivers_are_all_released() -> None:
    world = World()
    ends: list[object] = []

    async def many(about: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

        async def hear() -> None:
            ends.append((await receive())["type"])

        async def say() -> None:
            try:
                while True:
                    await send({"type": "websocket.send", "text": "x"})
                    await asyncio.sleep(0.001)
            except OSError:
                ends.append("gone")

        async with asyncio.TaskGroup() as group:
            for task in (hear, hear, say, say):
                group.create_task(task())

    peer = Peer(GuardMiddleware(many, world.guard()), websocket(world.token()))
    peer.say("websocket.connect")
    await peer.until(lambda: len(peer.sent) > 5)
    world.revoke("sid", "s1")
    sent = await peer.over()

    assert sorted(map(str, ends)) == ["gone", "gone", "websocket.disconnect", "websocket.disconnect"]
    assert sent[-1] == CLOSED


async def test_an_application_that_closes_first_has_closed() -> None:
    world = World()

    async def close(about: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        world.revoke("sid", "s1")
        await send({"type": "websocket.close", "code": 1000})
        await asyncio.sleep(0.05)

    peer = Peer(GuardMiddleware(close, world.guard()), websocket(world.token()))

    assert [message.get("code") for message in await peer.over()] == [None, 1000]


async def test_a_client_that_leaves_first_has_left() -> None:
    world = World()
    got: list[Any] = []

    async def linger(about: Any, receive: Any, send: Any) -> None:
        got.append(await receive())
        await send({"type": "websocket.accept"})
        got.append(await receive())
        world.revoke("sid", "s1")
        await asyncio.sleep(0.05)

    peer = Peer(GuardMiddleware(linger, world.guard()), websocket(world.token()))
    peer.say("websocket.connect")
    peer.say("websocket.disconnect", code=1001)

    assert [message["type"] for message in await peer.over()] == ["websocket.accept"]
    assert got[-1]["code"] == 1001


async def test_a_message_that_comes_with_the_end_is_not_read_any_more() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)

    world.revoke("sid", "s1")
    await peer.until(lambda: CLOSED in peer.sent)
    peer.say("websocket.receive", text="late")
    await peer.over()

    assert [message["type"] for message in app.got][1:] == ["websocket.receive", "websocket.disconnect"]


async def test_a_client_that_does_not_read_holds_nobody_up_for_long() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)
    peer.opening.clear()

    world.revoke("sid", "s1")
    await peer.until(peer.task.done)

    assert app.got[-1] == DISCONNECTED
    peer.opening.set()


async def test_a_server_whose_client_has_gone_may_raise_what_it_likes() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)
    peer.broken = RuntimeError("Unexpected ASGI message")

    world.revoke("sid", "s1")

    assert len(await peer.over()) == 2
    assert app.got[-1] == DISCONNECTED


async def test_an_application_that_is_cancelled_is_not_watched_any_more() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)

    peer.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await peer.task

    assert not watch._watches


async def test_cancelling_and_the_end_at_once_is_a_cancelled_application() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)

    world.revoke("sid", "s1")
    peer.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await peer.task


async def test_the_applications_own_time_outs_stay_its_own() -> None:
    world = World()
    seen: list[str] = []

    async def impatient(about: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            async with asyncio.timeout(0.02):
                await receive()
        except TimeoutError:
            seen.append("mine")
        seen.append((await receive())["type"])

    peer = Peer(GuardMiddleware(impatient, world.guard()), websocket(world.token()))
    peer.say("websocket.connect")
    await peer.until(lambda: "mine" in seen)
    world.revoke("sid", "another")
    peer.say("websocket.receive", text="x")
    await peer.over()

    assert seen == ["mine", "websocket.receive"]


async def test_cancel_scopes_of_the_application_stay_its_own_also_when_the_end_comes_with_them() -> None:
    world = World()
    seen: list[object] = []

    async def scoped(about: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        with anyio.move_on_after(0.02) as first:
            await receive()
        seen.append(first.cancelled_caught)
        world.revoke("sid", "s1")
        with anyio.move_on_after(10) as second:
            await anyio.sleep(0.03)
            seen.append((await receive())["type"])
        seen.append(second.cancelled_caught)
        async with anyio.create_task_group() as group:
            group.start_soon(receive)

    peer = Peer(GuardMiddleware(scoped, world.guard()), websocket(world.token()))
    peer.say("websocket.connect")

    assert (await peer.over())[1:] == [CLOSED]
    assert seen == [True, "websocket.disconnect", False]


async def test_a_time_out_of_the_server_stays_its_own() -> None:
    world, app = World(), Echo()
    peer = await opened(app, world)
    peer.say("broken", error=TimeoutError("of the server"))

    with pytest.raises(TimeoutError, match="of the server"):
        await peer.over()


async def test_an_error_of_the_guard_and_the_end_at_once_close_once() -> None:
    world = World()

    async def late(about: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        about["principal"].require(role="owner")

    peer = Peer(GuardMiddleware(late, world.guard()), websocket(world.token()))
    peer.say("websocket.connect")
    await peer.until(lambda: len(peer.sent) == 1)
    world.revoke("sid", "s1")

    assert (await peer.over())[1:] == [CLOSED]


async def test_a_fault_of_the_application_stays_a_fault() -> None:
    world = World()

    async def broken(about: Any, receive: Any, send: Any) -> None:
        await receive()
        raise KeyError("a fault")

    peer = Peer(GuardMiddleware(broken, world.guard()), websocket(world.token()))
    peer.say("websocket.connect")

    with pytest.raises(KeyError):
        await peer.over()
    assert not watch._watches
