"""Starlette's `@requires` with the guard as its backend."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from jotgate.guard.guard import Guard
from jotgate.jose import jwk, jwks, jwt, new_key
from tests.guard.standin import claims, served
from tests.guard.test_asgi import play, scope

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
GUARD = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)))
NOW = int(time.time())

pytestmark = pytest.mark.anyio


def bearer(**changed: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt.encode(claims(ISSUER, **changed), KEY)}"}


async def home(request: Request) -> Response:
    user = request.user
    return JSONResponse([user.is_authenticated, user.display_name, getattr(user, "identity", "")])


@requires("authenticated")
async def me(request: Request) -> Response:
    return JSONResponse([request.user.identity, request.user.principal.sid, request.scope["principal"].sub])


@requires(["authenticated", "members:read"])
def members(request: Request) -> Response:
    return PlainTextResponse("members")


@requires("payments:write", status_code=404)
async def hidden(request: Request) -> Response:
    return PlainTextResponse("hidden")


@requires("payments:write", redirect="home")
async def redirected(request: Request) -> Response:
    return PlainTextResponse("redirected")


async def own_refusal(request: Request) -> Response:
    assert "payments:write" not in request.auth.scopes
    raise HTTPException(403, "not on Sundays")


@requires("payments:write")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()


def application(**options: Any) -> Starlette:
    return Starlette(
        routes=[
            Route("/", home, name="home"),
            Route("/me", me),
            Route("/members", members),
            Route("/hidden", hidden),
            Route("/redirected", redirected),
            Route("/own", own_refusal),
            WebSocketRoute("/socket", socket),
        ],
        middleware=[Middleware(AuthenticationMiddleware, backend=GUARD.starlette())],
        **options,
    )


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=application())
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.test") as made:
        yield made


async def test_a_good_token_makes_a_user(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/me", headers=bearer())).json() == ["ada", "s1", "ada"]
    assert (await client.get("/", headers=bearer())).json() == [True, "ada", "ada"]
    assert (await client.get("/", headers=bearer(extra={"name": "Ada L."}))).json() == [True, "Ada L.", "ada"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}])
async def test_an_open_route_is_open_to_everybody(client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.get("/", headers=headers)).json() == [False, "", ""]


@pytest.mark.parametrize(
    ("path", "headers", "status", "code", "challenge"),
    [
        ("/me", {}, 401, "token_missing", 'Bearer realm="api"'),
        ("/members", {}, 401, "token_missing", 'Bearer realm="api"'),
        (
            "/me",
            {"Authorization": "Bearer x"},
            401,
            "token_malformed",
            'Bearer realm="api", error="invalid_token", error_description="The access token is malformed"',
        ),
        (
            "/me",
            bearer(exp=NOW - 100, iat=NOW - 200),
            401,
            "token_expired",
            'Bearer realm="api", error="invalid_token", error_description="The access token expired"',
        ),
        (
            "/members",
            bearer(scope="payments:read"),
            403,
            "scope_missing",
            'Bearer realm="api", error="insufficient_scope", scope="members:read"',
        ),
    ],
)
async def test_what_is_required_is_refused_exactly(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str], status: int, code: str, challenge: str
) -> None:
    for _ in range(2):
        refused = await client.get(path, headers=headers)

        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert refused.headers["www-authenticate"] == challenge
        assert refused.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("granted", ["members:read", "members:*"])
async def test_a_granted_scope_or_pattern_is_enough(client: httpx2.AsyncClient, granted: str) -> None:
    assert (await client.get("/members", headers=bearer(scope=granted))).text == "members"


async def test_what_requires_was_told_is_kept(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/hidden", headers=bearer())).status_code == 404
    assert (await client.get("/redirected", headers=bearer())).status_code == 303


async def test_the_applications_own_refusals_are_its_own(client: httpx2.AsyncClient) -> None:
    refused = await client.get("/own", headers=bearer())

    assert (refused.status_code, refused.text) == (403, "not on Sundays")
    assert (await client.get("/nowhere")).status_code == 404


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_applications_own_handler_still_gets_the_rest(*, is_async: bool) -> None:
    def handle(request: Request, error: Exception) -> Response:
        return PlainTextResponse("handled", status_code=418)

    async def handle_async(request: Request, error: Exception) -> Response:
        return handle(request, error)

    app = application(exception_handlers={HTTPException: handle_async if is_async else handle})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://api.test") as client:
        refused = await client.get("/me")
        hidden_one = await client.get("/hidden", headers=bearer())

    assert (refused.status_code, refused.json()["code"]) == (401, "token_missing")
    assert (hidden_one.status_code, hidden_one.text) == (418, "handled")


async def test_a_websocket_that_is_refused_is_closed() -> None:
    sent = await play(application(), scope(kind="websocket", path="/socket"))

    assert sent[0]["type"] == "websocket.close"


async def test_scopes_may_be_asked_for_before_the_application_handles_errors() -> None:
    found: list[bool] = []

    async def asking(about: Any, receive: Any, send: Any) -> None:
        found.append("members:read" in about["auth"].scopes)

    await play(AuthenticationMiddleware(asking, backend=GUARD.starlette()), scope())

    assert found == [False]


async def test_through_a_real_server() -> None:
    with served(application()) as url:
        async with httpx2.AsyncClient(base_url=url) as client:
            assert (await client.get("/me", headers=bearer())).json()[0] == "ada"
            assert (await client.get("/me")).json()["code"] == "token_missing"
