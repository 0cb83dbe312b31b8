"""Sockets and streams in a real browser: what it sends, what it accepts, and what it is told at the end."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from jotgate import Guard, GuardMiddleware
from tests.browser.conftest import Chromium
from tests.guard.standin import StandIn, issuing, served

PAGE = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>a page</title>"
LATER = """window.later = (socket) => {
    const told = { opened: null, got: [] };
    told.over = new Promise((done) => {
        socket.onopen = () => { told.opened = socket.protocol; };
        socket.onmessage = ({ data }) => { told.got.push(data); };
        socket.onclose = ({ code, reason, wasClean }) => done([code, reason, wasClean]);
    });
    return told;
};"""


async def _socket(websocket: WebSocket) -> None:
    guard: Guard = websocket.app.state.guard
    await websocket.accept()
    async for text in websocket.iter_text():
        who = await guard.renew(websocket, text)
        await websocket.send_text(str(who.sid))


async def _ticking() -> AsyncGenerator[str, None]:
    while True:
        yield "data: tick\n\n"
        await asyncio.sleep(0.05)


async def _events(_request: Request) -> Response:
    return StreamingResponse(_ticking(), media_type="text/event-stream")


async def _page(_request: Request) -> Response:
    return HTMLResponse(PAGE)


@dataclass
class Visit:
    """A page of `here` or of elsewhere, which talks to the sockets of `here`."""

    chromium: Chromium
    issuer: StandIn
    here: str
    page: Page

    def go(self, url: str) -> None:
        self.chromium.wait(self.page.goto(url))
        self.run(LATER)

    def run(self, script: str, value: Any = None) -> Any:
        return self.chromium.wait(self.page.evaluate(f"async (value) => {{ {script} }}", value))

    @property
    def address(self) -> str:
        return f"{self.here.replace('http', 'ws')}/socket"

    def until(self, condition: str) -> None:
        self.chromium.wait(_until(self.page, condition))


async def _until(page: Page, condition: str) -> None:
    await page.wait_for_function(condition)


@pytest.fixture
def issuer() -> Iterator[StandIn]:
    with issuing(StandIn()) as standin:
        yield standin


@pytest.fixture
def visit(chromium: Chromium, issuer: StandIn) -> Iterator[Visit]:
    guard = Guard(issuer.url, cookie="at")
    routes = [Route("/", _page), WebSocketRoute("/socket", _socket), Route("/events", _events)]
    site = Starlette(routes=routes)
    site.state.guard = guard
    context = chromium.wait(chromium.browser.new_context())
    with served(GuardMiddleware(site, guard, exclude=["/"])) as here:
        visit = Visit(chromium, issuer, here, chromium.wait(context.new_page()))
        visit.go(here)
        yield visit
        chromium.wait(context.close())
    guard.close()


@pytest.mark.parametrize("offered", [["bearer", "bearer.TOKEN"], ["bearer.TOKEN"], ["bearer.TOKEN", "bearer"]])
def test_a_page_sends_its_token_as_a_subprotocol_and_is_told_why_it_is_closed(visit: Visit, offered: list[str]) -> None:
    token = visit.issuer.token()
    names = [name.replace("TOKEN", token) for name in offered]
    visit.run("window.told = later(window.socket = new WebSocket(...value))", [visit.address, names])
    visit.until("told.opened !== null")
    assert visit.run("return told.opened") == ("bearer" if "bearer" in offered else f"bearer.{token}")

    visit.run("socket.send(value)", visit.issuer.token(sid="s2"))
    visit.until("told.got.length === 1")
    visit.issuer.revoke("sid", "s2")

    assert visit.run("return await told.over") == [4401, "token_revoked", True]
    assert visit.run("return told.got") == ["s2"]


def test_a_cookie_opens_a_socket_for_a_page_of_the_same_origin_alone(visit: Visit) -> None:
    visit.run("document.cookie = value", f"at={visit.issuer.token()}; Path=/")
    visit.run("window.told = later(new WebSocket(value))", visit.address)
    visit.until("told.opened !== null")

    with served(Starlette(routes=[Route("/", _page)])) as elsewhere:  # another port: the browser sends the cookie
        visit.go(elsewhere)
        visit.run("window.told = later(new WebSocket(value))", visit.address)
        refused = visit.run("return await told.over")

    assert refused == [1006, "", False]
    assert visit.run("return told.opened") is None


def test_a_stream_of_events_ends_and_is_not_opened_again(visit: Visit) -> None:
    visit.run("document.cookie = value", f"at={visit.issuer.token()}; Path=/")
    visit.run("""
        window.told = { ticks: 0, errors: 0 };
        window.source = new EventSource("/events");
        source.onmessage = () => { told.ticks++; };
        source.onerror = () => { told.errors++; };
    """)
    visit.until("told.ticks > 2")

    visit.issuer.revoke("sid", "s1")
    visit.until("source.readyState === EventSource.CLOSED")

    assert visit.run("return told.errors") >= 2  # the stream ended, and the browser's next try got the 401
