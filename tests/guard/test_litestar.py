"""The guard as Litestar's plug-in: closed unless opened, exact answers, caches, WebSockets, streams, OpenAPI."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx2
import pytest
from litestar import Controller, Litestar, Request, Response, WebSocket, asgi, get, websocket
from litestar.config.cors import CORSConfig
from litestar.exceptions import ImproperlyConfiguredException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.response import Stream

from jotgate.errors import Forbidden, JotgateError, RoleMissing, TokenMissing
from jotgate.guard import watch
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.guard import Guard
from jotgate.jose import jwk, jwks, jwt, new_key
from tests.guard import peer
from tests.guard.conftest import Guards
from tests.guard.peer import Peer, World
from tests.guard.standin import StandIn, claims

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
GUARD = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)))
AUTH = GUARD.litestar(exclude=["/healthz", "/public/*", "/below/*"])
OPEN = {"exclude_from_auth": True}
OPTIONAL = {"auth_optional": True}
DENIAL: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}

Asked = Request[Any, Any, Any]
pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.005)
    yield
    left = dict(watch._watches)
    watch._watches.clear()
    assert not left, "a watch was left behind"


def bearer(**changed: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt.encode(claims(ISSUER, **changed), KEY)}"}


def client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://api.test")


def application(*routes: Any, **options: Any) -> Litestar:
    return Litestar(routes, plugins=[AUTH], **options)


async def asked(path: str, *routes: Any, headers: dict[str, str] | None = None, **options: Any) -> httpx2.Response:
    async with client(application(*routes, **options)) as browser:
        return await browser.get(path, headers=headers or {})


def assert_refused(response: httpx2.Response, error: JotgateError) -> None:
    answer = GUARD.answer(error)
    assert (response.status_code, response.content) == (answer.status, answer.body)
    for name, value in answer.headers:
        assert response.headers.get_list(name) == [value]


@get("/me")
async def me(request: Asked) -> dict[str, Any]:
    assert request.state.principal is request.user
    return {"sub": request.user.sub, "iss": request.auth["iss"]}


@get(["/healthz", "/public/{name:str}", "/public"])
async def found(request: Asked) -> str:
    return str("user" in request.scope)


# --- which routes need a token


async def test_a_route_needs_a_good_token_and_any_other_is_refused() -> None:
    good = await asked("/me", me, headers=bearer())

    assert good.json() == {"sub": "ada", "iss": ISSUER}
    assert_refused(await asked("/me", me), TokenMissing())
    assert (await asked("/me", me, headers=bearer(exp=int(time.time()) - 100))).json()["code"] == "token_expired"
    assert (await asked("/schema/openapi.json", me)).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/public/x", 200), ("/public", 401), ("/me", 401), ("/nowhere", 404)]
)
async def test_excluded_routes_are_open(path: str, status: int) -> None:
    response = await asked(path, me, found)

    assert response.status_code == status
    assert status != 200 or response.text == "False"


@pytest.mark.parametrize(
    ("mount", "path", "opt", "status"),
    [
        ("/below", "/below/x", {}, 401),  # below what is excluded
        ("/admin", "/admin/healthz", {}, 401),  # the mounted application sees /healthz
        ("/", "/healthz", {}, 401),
        ("/admin", "/admin/x", OPEN, 200),
    ],
)
async def test_a_mounted_application_is_opened_as_a_whole_or_not_at_all(
    mount: str, path: str, opt: dict[str, Any], status: int
) -> None:
    @asgi(mount, is_mount=True, copy_scope=True, opt=opt)
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await Response("mounted").to_asgi_response(None, Request(scope))(scope, receive, send)

    assert (await asked(path, mounted)).status_code == status
    assert (await asked(path, mounted, headers=bearer())).status_code == 200


async def test_an_optional_route_refuses_bad_tokens_only() -> None:
    @get("/", opt=OPTIONAL)
    async def home(request: Asked) -> str:
        return request.user.sub if request.user else f"stranger {request.auth}"

    assert (await asked("/", home)).text == "stranger None"
    assert (await asked("/", home, headers=bearer())).text == "ada"
    assert (await asked("/", home, headers={"Authorization": "Bearer x"})).json()["code"] == "token_malformed"


async def test_preflights_need_no_token_where_litestar_answers_them() -> None:
    asking = {"Origin": "https://app.test", "Access-Control-Request-Method": "GET"}

    async with client(application(me, cors_config=CORSConfig(["https://app.test"]))) as browser:
        assert (await browser.options("/me", headers=asking)).status_code == 204
    async with client(application(me)) as browser:
        assert (await browser.options("/me", headers=asking)).status_code == 401


# --- requirements


@pytest.mark.parametrize("opt", [{}, OPEN, OPTIONAL])
async def test_a_requirement_needs_a_token_even_where_the_route_is_opened(opt: dict[str, Any]) -> None:
    class Members(Controller):
        path = "/members"
        guards = (AUTH.requires(role="manager"),)

        @get(opt=opt)
        async def every(self) -> list[str]:
            return ["ada"]

        @get("/owned", opt=opt, guards=[AUTH.requires(role="owner")])
        async def owned(self) -> None:
            raise AssertionError

    assert (await asked("/members", Members, headers=bearer())).json() == ["ada"]
    assert_refused(await asked("/members", Members, headers=bearer(roles=())), RoleMissing())
    assert_refused(await asked("/members/owned", Members, headers=bearer()), RoleMissing())
    assert_refused(await asked("/members", Members), TokenMissing())


async def test_what_is_cached_is_given_to_those_only_who_may_have_it() -> None:
    @get("/cached", cache=True, guards=[AUTH.requires(role="manager")])
    async def cached() -> str:
        return "for managers"

    async with client(application(cached)) as browser:
        assert (await browser.get("/cached", headers=bearer())).text == "for managers"
        assert_refused(await browser.get("/cached", headers=bearer(roles=())), RoleMissing())
        assert_refused(await browser.get("/cached"), TokenMissing())


@pytest.mark.parametrize("plugins", [[], [Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY))).litestar()]])
async def test_a_requirement_without_its_plugin_lets_nobody_in(plugins: list[Any]) -> None:
    @get("/", guards=[AUTH.requires(role="manager")])
    async def members() -> None:
        raise AssertionError

    async with client(Litestar([members], plugins=plugins)) as browser:
        assert (await browser.get("/", headers=bearer())).status_code in {401, 500}


def test_a_requirement_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        AUTH.requires()


# --- who answers


@pytest.mark.parametrize("opt", [{}, OPEN])
async def test_a_refusal_in_a_handler_is_answered_the_same_way(opt: dict[str, Any]) -> None:
    @get("/", opt=opt)
    async def needs() -> None:
        raise RoleMissing

    assert_refused(await asked("/", needs, headers=bearer()), RoleMissing())


@pytest.mark.parametrize("opt", [{}, OPEN, OPTIONAL])
async def test_a_refusal_in_another_middleware_is_answered_the_same_way(opt: dict[str, Any]) -> None:
    def strict(app: Any) -> Any:
        async def refusing(_scope: Any, _receive: Any, _send: Any) -> None:
            raise RoleMissing

        return refusing

    headers = {} if opt == OPTIONAL else bearer()
    assert_refused(await asked("/", get("/", opt=opt)(found.fn), headers=headers, middleware=[strict]), RoleMissing())


@pytest.mark.parametrize("kind", [Forbidden, JotgateError])
async def test_handlers_of_the_application_win(kind: type[JotgateError]) -> None:
    def mine(_request: Asked, error: Exception) -> Response[str]:
        return Response(f"mine: {type(error).__name__}", status_code=418)

    handlers: Any = {kind: mine}
    managers = get("/", guards=[AUTH.requires(role="owner")])(found.fn)

    assert (await asked("/", managers, headers=bearer(), exception_handlers=handlers)).text == "mine: RoleMissing"


async def test_the_keys_are_waited_for(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.1
    guard = guards(issuer.url)
    app = Litestar([get("/")(found.fn)], plugins=[guard.litestar()])

    async with client(app) as browser:
        assert (await browser.get("/", headers={"Authorization": f"Bearer {issuer.token()}"})).text == "True"


# --- WebSockets and streams


def chat(auth: Any, *, opt: dict[str, Any] | None = None, accept: bool = True, fails: Any = None) -> Any:
    @websocket("/socket", opt=opt or {}, guards=[auth.requires(role="manager")] if opt is None else [])
    async def handler(socket: WebSocket[Any, Any, Any]) -> None:
        if accept:
            await socket.accept()
        if fails is not None:
            raise fails
        while True:
            await socket.send_text(f"{socket.user.sub}: {await socket.receive_text()}")

    return handler


def connected(app: Any, token: str, **more: Any) -> Peer:
    connection = Peer(app, peer.websocket(token, **more))
    connection.say("websocket.connect")
    return connection


@pytest.mark.parametrize("around", [False, True], ids=["alone", "behind the middleware"])
async def test_a_websocket_is_closed_when_its_session_is(*, around: bool) -> None:
    world = World()
    guard = world.guard()
    auth = guard.litestar()
    app: Any = Litestar([chat(auth)], plugins=[auth])
    connection = connected(GuardMiddleware(app, guard) if around else app, world.token())
    connection.say("websocket.receive", text="hello")
    await connection.until(lambda: len(connection.sent) == 2)

    world.revoke("sid", "s1")

    sent = await connection.over()
    assert sent[1]["text"] == "ada: hello"
    assert sent[2:] == [{"type": "websocket.close", "code": 4401, "reason": "token_revoked"}]


@pytest.mark.parametrize(
    ("token", "code", "reason"),
    [({"exp": peer.NOW - 100, "iat": peer.NOW - 200}, 4401, "token_expired"), ({"roles": ()}, 4403, "role_missing")],
)
async def test_a_websocket_is_refused_before_its_handler(token: dict[str, Any], code: int, reason: str) -> None:
    world = World()
    auth = world.guard().litestar()
    app = Litestar([chat(auth)], plugins=[auth])

    assert await connected(app, world.token(**token)).over() == [
        {"type": "websocket.close", "code": code, "reason": reason}
    ]
    denied = await connected(app, world.token(**token), **DENIAL).over()
    assert (denied[0]["type"], denied[0]["status"]) == ("websocket.http.response.start", code - 4000)


@pytest.mark.parametrize("opt", [OPEN, OPTIONAL, {}], ids=["open", "optional", "guarded"])
async def test_a_refusal_in_a_websocket_is_told_as_such(opt: dict[str, Any]) -> None:
    world = World()
    auth = world.guard().litestar()
    app: Any = Litestar([chat(auth, opt=opt, fails=RoleMissing())], plugins=[auth])
    about = peer.websocket(world.token())
    about["headers"] = [] if opt == OPTIONAL else about["headers"]
    connection = Peer(app, about)
    connection.say("websocket.connect")

    assert (await connection.over())[1:] == [{"type": "websocket.close", "code": 4403, "reason": "role_missing"}]


async def test_other_errors_of_a_websocket_are_litestars() -> None:
    world = World()
    auth = world.guard().litestar()
    app = Litestar([chat(auth, opt={}, fails=KeyError())], plugins=[auth])

    assert (await connected(app, world.token()).over())[1]["code"] == 4500


def events(auth: Any, problem: Exception | None = None) -> Any:
    async def ticks() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"data: tick\n\n"
            if problem is not None:
                raise problem
            await asyncio.sleep(0.005)

    @get("/events")
    async def stream() -> Stream:
        return Stream(ticks(), media_type="text/event-stream")

    return Litestar([stream], plugins=[auth])


async def test_a_stream_of_events_ends_when_its_session_does() -> None:
    world = World()
    connection = Peer(events(world.guard().litestar()), peer.http(world.token()))
    connection.say("http.request", body=b"")
    await connection.until(lambda: len(connection.sent) > 3)

    world.revoke("sid", "s1")

    assert (await connection.over())[-1] == {"type": "http.response.body", "body": b""}


async def test_a_stream_that_breaks_is_not_taken_for_one_that_ended() -> None:
    world = World()
    connection = Peer(events(world.guard().litestar(), KeyError("x")), peer.http(world.token()))
    connection.say("http.request", body=b"")

    with pytest.raises(Exception, match="response started"):
        await connection.over()


# --- OpenAPI


async def described(auth: Any, **options: Any) -> dict[str, Any]:
    free = get("/open", opt=OPEN)(found.fn)
    home = get("/", opt=OPTIONAL)(found.fn)
    owned = get("/owned", security=[{"other": []}])(found.fn)
    app = Litestar([me, free, home, owned], plugins=[auth], **options)
    schema: dict[str, Any] = json.loads(json.dumps(app.openapi_schema.to_schema()))
    return schema


async def test_openapi_says_what_a_route_needs() -> None:
    schema = await described(GUARD.litestar())

    security = {path: item["get"].get("security") for path, item in schema["paths"].items()}
    assert schema["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert security == {
        "/me": [{"bearer": []}],
        "/open": None,
        "/": [{}, {"bearer": []}],
        "/owned": [{"other": []}, {"bearer": []}],
    }


@pytest.mark.parametrize("several", [False, True])
async def test_the_cookie_is_a_scheme_of_its_own_beside_those_of_the_application(*, several: bool) -> None:
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), cookie="at")
    mine = Components(security_schemes={"mine": SecurityScheme(type="http", scheme="basic")})
    config = OpenAPIConfig(title="t", version="1", components=[mine] if several else mine)

    schema = await described(guard.litestar(), openapi_config=config)

    assert set(schema["components"]["securitySchemes"]) == {"mine", "bearer", "cookie"}
    assert schema["components"]["securitySchemes"]["cookie"] == {"type": "apiKey", "name": "at", "in": "cookie"}
    assert config.components == ([mine] if several else mine)
    assert schema["paths"]["/me"]["get"]["security"] == [{"bearer": []}, {"cookie": []}]


async def test_an_application_without_openapi() -> None:
    app = application(me, openapi_config=None)

    with pytest.raises(ImproperlyConfiguredException):
        app.openapi_schema.to_schema()
    async with client(app) as browser:
        assert (await browser.get("/me", headers=bearer())).status_code == 200
