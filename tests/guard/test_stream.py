"""Streams of events end with their token; nothing else is cut. Message by message, and as applications use it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import pytest

from jotgate.errors import Expired, Forbidden, TokenMissing
from jotgate.guard import connection, watch
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.stream import is_event_stream
from tests.guard.peer import NOW, Peer, World, http

pytestmark = pytest.mark.anyio
EVENT_STREAM = [(b"cache-control", b"no-store"), (b"content-type", b"text/event-stream; charset=utf-8")]
END = {"type": "http.response.body", "body": b""}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.005)
    monkeypatch.setattr(connection, "FAREWELL_SECONDS", 0.2)
    yield
    left = dict(watch._watches)
    watch._watches.clear()
    assert not left, "a watch was left behind"


class Events:
    """An event every few milliseconds, or only the beginning; ends by itself when `enough` is set."""

    def __init__(self, headers: Any = EVENT_STREAM, *, silent: bool = False) -> None:
        self.headers = headers
        self.silent = silent
        self.enough = asyncio.Event()
        self.raised: list[BaseException] = []

    async def __call__(self, about: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        try:
            while not self.enough.is_set():
                if not self.silent:
                    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
                await asyncio.sleep(0.002)
            await send({"type": "http.response.body", "body": b"data: 2\n\n"})
        except OSError as error:
            self.raised.append(error)
            raise


async def begun(app: Any, world: World) -> Peer:
    peer = Peer(GuardMiddleware(app, world.guard()), http(world.token()))
    await peer.until(lambda: bool(peer.sent))
    return peer


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        (EVENT_STREAM, True),
        ([(b"Content-Type", b"Text/Event-Stream")], True),
        ([(b"x-one", b"1"), (b"Content-Type", b"text/plain")], False),
        ([(b"content-length", b"10"), (b"content-type", b"text/event-stream")], False),
        ([(b"content-type", b"text/event-stream")], True),
        ([(b"content-type", b"text/event-stream ; charset=utf-8")], True),
        ([(b"content-type", b"text/event-streams")], False),
        ([(b"content-type", b"text/plain"), (b"content-type", b"text/event-stream")], False),
        ([(b"x-content-type", b"text/event-stream")], False),
        ([(b"content-typo", b"text/event-stream")], False),
        ([], False),
    ],
)
def test_a_stream_of_events_says_so_in_its_content_type(headers: list[tuple[bytes, bytes]], *, is_one: bool) -> None:
    assert is_event_stream({"type": "http.response.start", "status": 200, "headers": headers}) is is_one


def test_a_response_without_headers_is_no_stream_of_events() -> None:
    assert not is_event_stream({"type": "http.response.start", "status": 200})


async def test_it_ends_when_its_session_is_closed_and_the_application_cannot_send_any_more() -> None:
    world, app = World(), Events()
    peer = await begun(app, world)
    await peer.until(lambda: len(peer.sent) > 5)

    world.revoke("sid", "s1")
    sent = await peer.over()

    assert sent[-1] == END
    assert sent.count(END) == 1
    assert [str(error) for error in app.raised] == ["the connection was ended: token_revoked"]


@pytest.mark.parametrize(("now", "ends"), [(909.9, False), (910, True)])
async def test_it_ends_when_its_token_expires_also_where_there_was_no_event_yet(now: float, *, ends: bool) -> None:
    world, app = World(), Events(silent=True)
    peer = await begun(app, world)

    world.now = NOW + now
    await asyncio.sleep(0.1)

    assert peer.sent[1:] == ([END] if ends else [])
    app.enough.set()
    await peer.over()
    assert len(app.raised) == int(ends)


async def test_one_that_two_middlewares_of_one_guard_let_through_ends_once() -> None:
    world, app = World(), Events()
    guard = world.guard()
    peer = Peer(GuardMiddleware(GuardMiddleware(app, guard), guard), http(world.token()))
    await peer.until(lambda: len(peer.sent) > 5)

    world.revoke("sid", "s1")

    assert (await peer.over()).count(END) == 1


async def test_one_that_ends_by_itself_is_not_watched_any_more() -> None:
    world, app = World(), Events()
    peer = await begun(app, world)

    app.enough.set()
    sent = await peer.over()

    assert sent[-1] == {"type": "http.response.body", "body": b"data: 2\n\n"}
    assert not watch._watches


@pytest.mark.parametrize("headers", [[(b"content-type", b"application/octet-stream")], []])
async def test_other_responses_are_not_cut(headers: Any) -> None:
    world, app = World(), Events(headers)
    peer = await begun(app, world)

    world.revoke("sid", "s1")
    world.now = NOW + 10_000
    await asyncio.sleep(0.05)
    assert not watch._watches
    app.enough.set()

    assert (await peer.over())[-1]["body"] == b"data: 2\n\n"


async def test_a_client_that_does_not_read_holds_nobody_up_for_long() -> None:
    world, app = World(), Events(silent=True)
    peer = await begun(app, world)
    peer.opening.clear()

    world.revoke("sid", "s1")
    await asyncio.sleep(0.05)
    app.enough.set()
    await peer.until(peer.task.done)

    assert len(app.raised) == 1
    peer.opening.set()


async def test_an_error_of_the_guard_within_a_stream_is_a_fault() -> None:
    world = World()

    async def late(about: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
        about["principal"].require(role="owner")

    peer = Peer(GuardMiddleware(late, world.guard()), http(world.token()))

    with pytest.raises(Forbidden):
        await peer.over()
    assert not watch._watches


# --- what an application wraps by itself


async def numbers(closed: list[str]) -> AsyncGenerator[int, None]:
    try:
        for number in range(1000):
            yield number
            await asyncio.sleep(0.005)
    finally:
        closed.append("closed")


async def test_events_come_while_the_token_is_good() -> None:
    world = World()
    guard, closed = world.guard(), list[str]()
    got: list[int] = []

    async for number in guard.while_valid(http(world.token()), numbers(closed)):
        got.append(number)
        if number == 5:
            world.revoke("sid", "s1")

    assert got[:6] == [0, 1, 2, 3, 4, 5]
    assert len(got) < 1000
    assert closed == ["closed"]


async def test_events_that_end_by_themselves_have_ended() -> None:
    world = World()

    class Three:
        def __init__(self) -> None:
            self.left = [3, 2, 1]

        def __aiter__(self) -> AsyncIterator[int]:
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    assert [number async for number in world.guard().while_valid(http(world.token()), Three())] == [1, 2, 3]


async def test_who_stops_listening_closes_the_events() -> None:
    world, closed = World(), list[str]()
    events = world.guard().while_valid(http(world.token()), numbers(closed))

    assert await anext(events) == 0
    await events.aclose()

    assert closed == ["closed"]
    assert not watch._watches


async def test_events_are_for_those_who_bring_a_good_token() -> None:
    world = World()
    guard = world.guard()
    stranger = http(world.token()) | {"headers": []}
    late = http(world.token(exp=NOW - 100, iat=NOW - 200))

    with pytest.raises(TokenMissing):
        await anext(guard.while_valid(stranger, numbers([])))
    with pytest.raises(Expired):
        await anext(guard.while_valid(late, numbers([])))
