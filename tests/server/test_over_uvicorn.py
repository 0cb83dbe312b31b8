"""Over real sockets and a real server: what an in-memory client cannot show."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import uvicorn

from jotgate.server.app import Application
from tests.server.issuing import PASSWORD, House, Opener, issuing

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def listening(app: Application) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """The application behind uvicorn on a port of its own."""
    config = uvicorn.Config(app, port=0, loop="none", http="httptools", ws="none", lifespan="on", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110  # uvicorn tells nobody
        await asyncio.sleep(0.005)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    yield server, port
    server.should_exit = True
    await serving


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """An issuer whose client goes over a socket."""
    async with issuing() as house:
        app = Application(house.env.policy, Opener(house.env))
        async with listening(app) as (_, port), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            house.http = http
            yield house


async def _raw(house: House, request: bytes) -> bytes:
    """The answer to these bytes, head and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.http.base_url.port)
    writer.write(request)
    await writer.drain()
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = re.search(rb"content-length: (\d+)", head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    writer.close()
    return head + body


async def test_log_in_refresh_and_log_out(house: House) -> None:
    await house.user()
    login = await house.http.post("/auth/login", json={"username": "ada", "password": PASSWORD})
    refresh = await house.http.post("/auth/refresh", json={"refresh_token": login.json()["refresh_token"]})
    bearer = {"authorization": f"Bearer {refresh.json()['access_token']}"}
    me = await house.http.get("/auth/me", headers=bearer)
    logout = await house.http.post("/auth/logout", headers=bearer)

    assert [answer.status_code for answer in (login, refresh, me, logout)] == [200, 200, 200, 204]


async def test_unknown_wrong_and_right_differ_in_nothing_but_what_they_must(house: House) -> None:
    await house.user()

    answers = [
        await house.http.post("/auth/login", json={"username": name, "password": "wrong"}) for name in ("ada", "nobody")
    ]

    first, second = ({**answer.headers, "date": ""} for answer in answers)
    assert answers[0].content == answers[1].content
    assert list(first.items()) == list(second.items())


async def test_an_announced_huge_body_is_refused_before_it_comes(house: House) -> None:
    head = b"POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"

    answer = await _raw(house, head + b"content-length: 1000000000\r\n\r\n{")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_too_large"


async def test_a_body_in_chunks_without_end_is_cut_off(house: House) -> None:
    head = b"POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"

    answer = await _raw(house, head + b"transfer-encoding: chunked\r\n\r\n" + chunk * 20)

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_goes_away_in_the_middle_harms_nobody(house: House) -> None:
    await house.user()
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", house.http.base_url.port)
        writer.write(b"POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()

    answer = await house.http.post("/auth/login", json={"username": "ada", "password": PASSWORD})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "request_line",
    [b"GET /%2e%2e/auth/me HTTP/1.1", b"GET /auth/me%00 HTTP/1.1", b"GET /%ff HTTP/1.1", b"GET //auth/me HTTP/1.1"],
)
async def test_a_path_that_is_spelt_oddly_is_another_path(house: House, request_line: bytes) -> None:
    answer = await _raw(house, request_line + b"\r\nhost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_health_answers_while_a_guard_waits(house: House) -> None:
    start = (await house.http.get("/revocations")).json()["next"]
    waiting = asyncio.create_task(house.http.get("/revocations", params={"after": start, "wait": "1"}))

    assert (await house.http.get("/healthz")).status_code == 200
    assert not waiting.done()
    assert (await waiting).status_code == 200


async def test_a_drained_server_stops_at_once_though_guards_wait() -> None:
    async with issuing() as house:
        app = Application(house.env.policy, Opener(house.env))
        async with listening(app) as (_, port), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            start = (await http.get("/revocations")).json()["next"]
            waiting = asyncio.create_task(http.get("/revocations", params={"after": start, "wait": "25"}))
            while not house.env.feed._waiting:  # noqa: ASYNC110  # until it waits
                await asyncio.sleep(0.005)
            began = time.monotonic()
            app.drain()
            answer = await waiting
        stopped_after = time.monotonic() - began

    assert answer.status_code == 200
    assert stopped_after < 15
