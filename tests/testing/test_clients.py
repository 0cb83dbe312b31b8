"""Every kind of client acts as somebody, and throws the attack set; Django's are in `test_projects`."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import aiohttp.test_utils
import aiohttp.web
import httpx
import httpx2
import litestar.testing
import pytest
import requests
from starlette.testclient import TestClient
from werkzeug.test import Client

from jotgate.guard.guard import Guard
from jotgate.testing import TestIssuer, assert_refuses_bad_tokens, assert_refuses_bad_tokens_async
from jotgate.testing.acting import acting
from jotgate.testing.asking import Ask, WrongClientError, ask, ask_async, bare
from tests.guard.standin import served
from tests.testing.apps import fastapi_app, flask_app, litestar_app, quart_app, wsgi_app

Made = AbstractContextManager[tuple[Any, str]]  # the client, and what stands before a path


@contextmanager
def starlette_client(guard: Guard) -> Iterator[tuple[Any, str]]:
    yield TestClient(fastapi_app(guard)), ""


@contextmanager
def flask_client(guard: Guard) -> Iterator[tuple[Any, str]]:
    yield flask_app(guard).test_client(), ""


@contextmanager
def werkzeug_client(guard: Guard) -> Iterator[tuple[Any, str]]:
    yield Client(wsgi_app(guard)), ""


@contextmanager
def litestar_client(guard: Guard) -> Iterator[tuple[Any, str]]:
    with litestar.testing.TestClient(litestar_app(guard)) as client:
        yield client, ""


@contextmanager
def httpx_client(guard: Guard) -> Iterator[tuple[Any, str]]:
    with httpx.Client(transport=httpx.WSGITransport(wsgi_app(guard)), base_url="http://gym.example") as client:
        yield client, ""


@contextmanager
def httpx2_client(guard: Guard) -> Iterator[tuple[Any, str]]:
    with httpx2.Client(transport=httpx2.WSGITransport(wsgi_app(guard)), base_url="http://gym.example") as client:
        yield client, ""


@contextmanager
def requests_session(guard: Guard) -> Iterator[tuple[Any, str]]:
    with served(fastapi_app(guard)) as url, requests.Session() as session:
        yield session, url


SYNC: list[Callable[[Guard], Made]] = [
    starlette_client,
    flask_client,
    werkzeug_client,
    litestar_client,
    httpx_client,
    httpx2_client,
    requests_session,
]


TWICE = (("Authorization", "Bearer a"), ("Authorization", "Bearer b"))
_REST = ["cookie: token=a.b.c", "x-jwt: a.b.c", "query: token=a.b.c"]
ARRIVED = ["authorization: Bearer a", "authorization: Bearer b", *_REST]
JOINED = ["authorization: Bearer a, Bearer b", *_REST]


def text(client: Any, path: str) -> str:
    return ask(client, Ask("GET", path)).body.decode().strip('"')


@pytest.mark.parametrize("made", SYNC)
def test_a_client_acts_as_somebody_for_a_while(issuer: TestIssuer, guard: Guard, made: Callable[[Guard], Made]) -> None:
    with made(guard) as (client, base):
        home = f"{base}/home"
        assert text(client, home) == "Hello, stranger"

        with issuer.acting_as(client, sub="ada") as same:
            assert same is client
            assert text(client, home) == "Hello, ada"
            with issuer.acting_as(client, sub="bob"):
                assert text(client, home) == "Hello, bob"
            assert text(client, home) == "Hello, ada"

        assert text(client, home) == "Hello, stranger"


@pytest.mark.parametrize("made", SYNC)
def test_what_is_asked_arrives(guard: Guard, made: Callable[[Guard], Made]) -> None:
    """A client that loses half of an attack would show nothing."""
    with made(guard) as (client, base), bare(client):
        asked = Ask("GET", f"{base}/echo?token=a.b.c", (*TWICE, ("Cookie", "token=a.b.c"), ("X-JWT", "a.b.c")))

        lines = ask(client, asked).body.decode().splitlines()

    assert lines in (ARRIVED, JOINED)


@pytest.mark.parametrize("made", SYNC)
def test_without_a_block_it_lasts_as_long_as_the_issuer(guard: Guard, made: Callable[[Guard], Made]) -> None:
    with made(guard) as (client, base):
        with TestIssuer(guard) as issuer:
            issuer.acting_as(client, role="manager", sub="ada")
            assert text(client, f"{base}/managers") == "ada"
            issuer.acting_as(client, sub="bob")
            assert text(client, f"{base}/payments") == "bob"

        assert text(client, f"{base}/home") == "Hello, stranger"


@pytest.mark.parametrize("made", SYNC)
def test_a_client_throws_everything(issuer: TestIssuer, guard: Guard, made: Callable[[Guard], Made]) -> None:
    with made(guard) as (client, base):
        issuer.acting_as(client, sub="ada")  # steps back meanwhile: without credentials nobody is let in

        assert_refuses_bad_tokens(client, f"{base}/managers", issuer=issuer, role="manager")

        assert text(client, f"{base}/home") == "Hello, ada"


def test_a_path_that_is_open_to_strangers_is_tried_with_what_counts_as_credentials(
    issuer: TestIssuer, guard: Guard
) -> None:
    client = flask_app(guard).test_client()

    assert_refuses_bad_tokens(client, "/home", issuer=issuer, optional=True)
    with pytest.raises(AssertionError, match=r"nothing: 200 instead of 401"):
        assert_refuses_bad_tokens(client, "/home", issuer=issuer)


def test_a_header_of_ones_own_comes_first(issuer: TestIssuer, guard: Guard) -> None:
    bob = issuer.headers(sub="bob")
    for client in (TestClient(fastapi_app(guard)), flask_app(guard).test_client(), Client(wsgi_app(guard))):
        issuer.acting_as(client, sub="ada")

        assert "bob" in client.get("/home", headers=bob).text
        assert "ada" in client.get("/home").text


def test_an_address_will_do(issuer: TestIssuer, guard: Guard) -> None:
    with served(fastapi_app(guard)) as url:
        assert_refuses_bad_tokens(url, "/payments", issuer=issuer)


def test_a_function_will_do(issuer: TestIssuer, guard: Guard) -> None:
    client = flask_app(guard).test_client(use_cookies=False)

    def send(method: str, path: str, headers: list[tuple[str, str]]) -> tuple[int, Any, bytes]:
        answer = client.open(path, method=method, headers=headers)
        return answer.status_code, dict(answer.headers), answer.data

    assert_refuses_bad_tokens(send, "/payments", issuer=issuer)


# --- clients that have to be awaited


@asynccontextmanager
async def httpx_async(guard: Guard) -> AsyncIterator[tuple[Any, str]]:
    transport = httpx.ASGITransport(fastapi_app(guard))
    async with httpx.AsyncClient(transport=transport, base_url="http://gym.example") as client:
        yield client, ""


@asynccontextmanager
async def httpx2_async(guard: Guard) -> AsyncIterator[tuple[Any, str]]:
    transport = httpx2.ASGITransport(fastapi_app(guard))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gym.example") as client:
        yield client, ""


@asynccontextmanager
async def quart_client(guard: Guard) -> AsyncIterator[tuple[Any, str]]:
    yield quart_app(guard).test_client(), ""


@asynccontextmanager
async def litestar_async(guard: Guard) -> AsyncIterator[tuple[Any, str]]:
    async with litestar.testing.AsyncTestClient(litestar_app(guard)) as client:
        yield client, ""


@asynccontextmanager
async def aiohttp_session(guard: Guard) -> AsyncIterator[tuple[Any, str]]:
    with served(fastapi_app(guard)) as url:
        async with aiohttp.ClientSession() as session:
            yield session, url


ASYNC = [httpx_async, httpx2_async, quart_client, litestar_async, aiohttp_session]


@pytest.mark.anyio
@pytest.mark.parametrize("made", ASYNC)
async def test_a_client_that_is_awaited_acts_and_throws(issuer: TestIssuer, guard: Guard, made: Any) -> None:
    async with made(guard) as (client, base):
        with issuer.acting_as(client, sub="ada"):
            assert b"ada" in (await ask_async(client, Ask("GET", f"{base}/home"))).body
            await assert_refuses_bad_tokens_async(client, f"{base}/managers", issuer=issuer, role="manager")

        await assert_refuses_bad_tokens_async(client, f"{base}/home", issuer=issuer, optional=True)
        assert b"stranger" in (await ask_async(client, Ask("GET", f"{base}/home"))).body


@pytest.mark.anyio
@pytest.mark.parametrize("made", ASYNC)
async def test_what_is_asked_through_a_client_that_is_awaited_arrives(guard: Guard, made: Any) -> None:
    async with made(guard) as (client, base):
        asked = Ask("GET", f"{base}/echo?token=a.b.c", (*TWICE, ("Cookie", "token=a.b.c"), ("X-JWT", "a.b.c")))

        reply = await ask_async(client, asked)

    assert reply.body.decode().splitlines() in (ARRIVED, JOINED)


@pytest.mark.anyio
async def test_what_answers_at_once_can_be_awaited_too(issuer: TestIssuer, guard: Guard) -> None:
    await assert_refuses_bad_tokens_async(flask_app(guard).test_client(), "/payments", issuer=issuer)


@pytest.mark.anyio
@pytest.mark.parametrize("made", ASYNC)
async def test_a_client_that_was_not_awaited_does_not_pass(issuer: TestIssuer, guard: Guard, made: Any) -> None:
    async with made(guard) as (client, base):
        with pytest.raises(WrongClientError, match="await assert_refuses_bad_tokens_async"):
            assert_refuses_bad_tokens(client, f"{base}/payments", issuer=issuer)


@pytest.mark.anyio
async def test_aiohttps_own_test_client_acts() -> None:
    async def echo(request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(text=request.headers.get("Authorization", "nobody"))

    app = aiohttp.web.Application()
    app.router.add_get("/", echo)
    async with aiohttp.test_utils.TestClient(aiohttp.test_utils.TestServer(app)) as client:
        with acting(client, "Bearer a"):
            assert (await ask_async(client, Ask("GET", "/"))).body == b"Bearer a"
        assert (await ask_async(client, Ask("GET", "/"))).body == b"nobody"


def test_what_was_begun_within_a_block_ends_with_it(issuer: TestIssuer, guard: Guard) -> None:
    client, another = TestClient(fastapi_app(guard)), TestClient(fastapi_app(guard))

    with issuer.acting_as(client, sub="ada"):
        within = issuer.acting_as(client, sub="bob")
        issuer.acting_as(another, sub="eve")
        assert text(client, "/home") == "Hello, bob"

    assert text(client, "/home") == "Hello, stranger"
    assert text(another, "/home") == "Hello, eve"
    within.__exit__(None, None, None)
    issuer.close()
    assert "authorization" not in client.headers
    assert "authorization" not in another.headers


def test_a_clients_own_credentials_step_back_meanwhile(issuer: TestIssuer, guard: Guard) -> None:
    client = TestClient(fastapi_app(guard))
    client.auth = ("user", "password")
    client.headers["Authorization"] = "Bearer x"

    with issuer.acting_as(client, sub="ada"):
        assert text(client, "/home") == "Hello, ada"

    assert client.headers["Authorization"] == "Bearer x"
    assert client.get("/echo").text.startswith("authorization: Basic ")


@pytest.mark.anyio
async def test_quarts_client_keeps_what_it_is_told(issuer: TestIssuer, guard: Guard) -> None:
    client = quart_app(guard).test_client()
    bob = issuer.headers(sub="bob")

    with issuer.acting_as(client, sub="ada"):
        assert await (await client.get("/home", headers=bob)).get_data() == b"Hello, bob"
        assert await (await client.get("/home", headers={"X-JWT": "x"})).get_data() == b"Hello, ada"
        assert await (await client.get("/home")).get_data() == b"Hello, ada"
    assert await (await client.get("/home")).get_data() == b"Hello, stranger"


def test_what_is_no_client_is_told_so(issuer: TestIssuer) -> None:
    with pytest.raises(TypeError, match="object is no test client"):
        issuer.acting_as(object())
    with pytest.raises(TypeError, match="object is no test client"):
        assert_refuses_bad_tokens(object(), "/", issuer=issuer)
