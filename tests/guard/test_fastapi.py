"""The guard as FastAPI's dependency: bare applications, exact answers, OpenAPI."""

import builtins
import inspect
import sys
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request, Security, WebSocket
from fastapi.responses import PlainTextResponse

from jotgate.errors import Forbidden, JotgateError, KeyRefused, RoleMissing
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal
from jotgate.jose import jwk, jwks, jwt, new_key
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, claims, served
from tests.guard.test_asgi import bearer as header
from tests.guard.test_asgi import play, scope

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
NOW = int(time.time())
guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)))
app = FastAPI()

pytestmark = pytest.mark.anyio

Who = Annotated[Principal, Depends(guard)]
Manager = Annotated[Principal, Depends(guard.require(role="manager"))]


@app.get("/me")
async def me(who: Who) -> dict[str, Any]:
    return {"sub": who.sub, "claims": who.claims}


@app.get("/sync")
def sync(who: Who) -> str:
    return who.sub


@app.get("/managers")
async def managers(who: Manager) -> str:
    return who.sub


@app.get("/owners", dependencies=[Depends(guard.require(role=["owner", "founder"], match="any"))])
async def owners() -> str:
    return "owners"


@app.get("/writers")
async def writers(who: Annotated[Principal, Depends(guard.require(scope="members:write"))]) -> str:
    return who.sub


@app.get("/payments")
async def payments(who: Annotated[Principal, Security(guard, scopes=["payments:read"])]) -> str:
    return who.sub


@app.get("/both")
async def both(who: Annotated[Principal, Security(guard.require(role="manager"), scopes=["members:read"])]) -> str:
    return who.sub


@app.get("/optional")
async def optional(who: Annotated[Principal | None, Depends(guard.optional)]) -> str:
    return who.sub if who else "nobody"


@app.get("/inside")
async def inside(who: Who) -> str:
    who.require(scope="payments:write")
    return "inside"


@app.get("/broken")
async def broken(who: Who) -> str:
    raise KeyRefused("a fault of the application")


@app.get("/state")
async def state(request: Request, who: Who) -> bool:
    return request.scope["principal"] is request.state.principal is who


@app.websocket("/socket")
async def socket(websocket: WebSocket, who: Who) -> None:
    await websocket.accept()
    who.require(role="owner")


def token(**changed: Any) -> str:
    return jwt.encode(claims(ISSUER, **changed), KEY)


def bearer(**changed: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**changed)}"}


def calling(application: FastAPI, **options: Any) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=application, **options)
    return httpx2.AsyncClient(transport=transport, base_url="http://api.test")


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with calling(app) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/sync", "ada"),
        ("/managers", "ada"),
        ("/both", "ada"),
        ("/optional", "ada"),
        ("/state", True),
    ],
)
async def test_a_good_token_passes(client: httpx2.AsyncClient, path: str, answer: object) -> None:
    assert (await client.get(path, headers=bearer())).json() == answer


async def test_claims_can_be_answered_as_json(client: httpx2.AsyncClient) -> None:
    said = (await client.get("/me", headers=bearer(extra={"address": {"city": "London"}}))).json()

    assert (said["sub"], said["claims"]["address"]) == ("ada", {"city": "London"})


@pytest.mark.parametrize("path", ["/me", "/sync", "/managers", "/owners", "/writers", "/payments", "/both", "/inside"])
async def test_no_credentials(client: httpx2.AsyncClient, path: str) -> None:
    refused = await client.get(path)

    assert refused.status_code == 401
    assert refused.json() == {
        "error": "unauthorized",
        "error_description": "No access token was sent",
        "code": "token_missing",
    }
    assert refused.headers["www-authenticate"] == 'Bearer realm="api"'
    assert refused.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/me", "/managers", "/payments", "/optional"])
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([("Authorization", "Bearer x")], 401, "token_malformed"),
        ([("Authorization", f"Bearer {token(exp=NOW - 100, iat=NOW - 200)}")], 401, "token_expired"),
        ([("Authorization", f"Bearer {token(iss='https://other.example.com')}")], 401, "issuer_mismatch"),
        ([("Authorization", "Bearer x"), ("Authorization", "Bearer x")], 400, "credentials_ambiguous"),
    ],
)
async def test_a_bad_token_is_refused_exactly(
    client: httpx2.AsyncClient, path: str, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    refused = await client.get(path, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert set(refused.json()) == {"error", "error_description", "code"}
    assert "error=" in refused.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("path", "code", "scope_wanted"),
    [
        ("/owners", "role_missing", ""),
        ("/writers", "scope_missing", ', scope="members:write"'),
        ("/payments", "scope_missing", ', scope="payments:read"'),
        ("/inside", "scope_missing", ', scope="payments:write"'),
    ],
)
async def test_a_good_token_that_is_not_enough(
    client: httpx2.AsyncClient, path: str, code: str, scope_wanted: str
) -> None:
    refused = await client.get(path, headers=bearer())

    assert (refused.status_code, refused.json()["code"]) == (403, code)
    assert refused.headers["www-authenticate"] == f'Bearer realm="api", error="insufficient_scope"{scope_wanted}'


async def test_requirements_look_at_role_and_scope(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/owners", headers=bearer(roles=("founder",)))).status_code == 200
    assert (await client.get("/writers", headers=bearer(scope="members:*"))).status_code == 200
    assert (await client.get("/payments", headers=bearer(scope="payments:*"))).status_code == 200
    assert (await client.get("/both", headers=bearer(roles=()))).json()["code"] == "role_missing"
    assert (await client.get("/both", headers=bearer(scope="x"))).json()["code"] == "scope_missing"


async def test_optional_takes_nobody_but_no_bad_token(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/optional")).json() == "nobody"
    assert (await client.get("/optional", headers={"Authorization": "Basic YTpi"})).json() == "nobody"


async def test_a_requirement_of_nothing_is_found_when_the_application_is_made() -> None:
    with pytest.raises(ValueError, match="at least one"):
        guard.require()


# --- OpenAPI


async def test_the_security_scheme_appears_by_itself(client: httpx2.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()

    assert described["components"]["securitySchemes"] == {
        "HTTPBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    operations = {path: methods["get"] for path, methods in described["paths"].items()}
    for path in ("/me", "/sync", "/managers", "/owners", "/optional", "/inside"):
        assert operations[path]["security"] == [{"HTTPBearer": []}]
    assert operations["/payments"]["security"] == [{"HTTPBearer": ["payments:read"]}]
    assert operations["/both"]["security"] == [{"HTTPBearer": ["members:read"]}]
    assert not any("parameters" in operation or "requestBody" in operation for operation in operations.values())


async def test_a_cookie_appears_as_another_way() -> None:
    by_cookie = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), cookie="at")
    application = FastAPI()

    @application.post("/x")
    async def x(who: Annotated[Principal, Depends(by_cookie)]) -> str:
        return who.sub

    async with calling(application) as client:
        described = (await client.get("/openapi.json")).json()
        sent = {"Cookie": f"at={token(extra={'csrf': 'c1'})}", "Origin": "http://api.test"}
        good = await client.post("/x", headers={**sent, "X-CSRF-Token": "c1"})
        bad = await client.post("/x", headers=sent)

    assert described["components"]["securitySchemes"]["APIKeyCookie"] == {
        "type": "apiKey",
        "in": "cookie",
        "name": "at",
    }
    assert described["paths"]["/x"]["post"]["security"] == [{"HTTPBearer": []}, {"APIKeyCookie": []}]
    assert good.json() == "ada"
    assert (bad.status_code, bad.json()["code"]) == (403, "cross_site")


# --- handlers and overrides


@pytest.mark.parametrize("error", [JotgateError, Forbidden, RoleMissing])
async def test_a_handler_of_the_application_goes_first(error: type[Exception]) -> None:
    application = FastAPI()

    @application.exception_handler(error)
    async def handle(request: Request, caught: Exception) -> PlainTextResponse:
        return PlainTextResponse(type(caught).__name__, status_code=418)

    @application.get("/x")
    async def x(who: Annotated[Principal, Depends(guard.require(role="owner"))]) -> str:
        return who.sub

    async with calling(application) as client:
        refused = await client.get("/x", headers=bearer())

    assert (refused.status_code, refused.text) == (418, "RoleMissing")


async def test_a_fault_that_is_not_the_guards_stays_a_fault() -> None:
    async with calling(app, raise_app_exceptions=False) as client:
        assert (await client.get("/broken", headers=bearer())).status_code == 500
    async with calling(app) as client:
        with pytest.raises(KeyRefused):
            await client.get("/broken", headers=bearer())


async def test_two_guards_in_one_application_name_their_own_realms() -> None:
    first = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), realm="first")
    second = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), realm="second")
    application = FastAPI()
    application.get("/first", dependencies=[Depends(first)])(lambda: "first")
    application.get("/second", dependencies=[Depends(second)])(lambda: "second")

    async with calling(application) as client:
        realms = [(await client.get(path)).headers["www-authenticate"] for path in ("/first", "/second", "/first")]

    assert realms == ['Bearer realm="first"', 'Bearer realm="second"', 'Bearer realm="first"']


async def test_overriding_the_guard_overrides_its_requirements(client: httpx2.AsyncClient) -> None:
    app.dependency_overrides[guard] = lambda: Principal("eve", roles=("manager",))
    try:
        assert (await client.get("/me")).json()["sub"] == "eve"
        assert (await client.get("/managers")).json() == "eve"
        overridden = await client.get("/owners", headers=bearer())
    finally:
        app.dependency_overrides.clear()

    assert (overridden.status_code, overridden.json()["code"]) == (403, "role_missing")


async def test_the_middleware_can_be_added_to_an_application() -> None:
    application = FastAPI()
    application.add_middleware(GuardMiddleware, guard=guard, exclude=["/healthz"])
    application.get("/healthz")(lambda: "healthy")

    @application.get("/x")
    async def x(request: Request) -> str:
        principal: Principal = request.state.principal
        principal.require(role="owner")
        return principal.sub

    async with calling(application) as client:
        answers = [
            await client.get("/healthz"),
            await client.get("/x"),
            await client.get("/x", headers=bearer()),
            await client.get("/x", headers=bearer(roles=("owner",))),
        ]

    assert [answer.status_code for answer in answers] == [200, 401, 403, 200]
    assert answers[2].json()["code"] == "role_missing"


# --- the network, WebSocket, a real server


async def test_the_first_request_waits_for_keys(issuer: StandIn, guards: Guards) -> None:
    networked = guards(issuer.url)
    application = FastAPI()

    @application.get("/x")
    async def x(who: Annotated[Principal, Depends(networked)]) -> str:
        return who.sub

    async with calling(application) as client:
        good = await client.get("/x", headers={"Authorization": f"Bearer {issuer.token()}"})

    assert good.json() == "ada"


async def test_a_websocket_is_refused_before_it_is_open() -> None:
    refused = await play(app, scope(kind="websocket", path="/socket", query_string=b""))
    denied = await play(
        app, scope(kind="websocket", path="/socket", query_string=b"", extensions={"websocket.http.response": {}})
    )

    assert refused == [{"type": "websocket.close", "code": 4401, "reason": "token_missing"}]
    assert (denied[0]["type"], denied[0]["status"]) == ("websocket.http.response.start", 401)


async def test_a_websocket_that_is_open_is_closed() -> None:
    about = scope(header(token()), kind="websocket", path="/socket", query_string=b"", extensions=None)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(about, receive, send)

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == 4403


async def test_through_a_real_server() -> None:
    with served(app) as url:
        async with httpx2.AsyncClient(base_url=url) as client:
            assert (await client.get("/managers", headers=bearer())).json() == "ada"
            assert (await client.get("/me")).json()["code"] == "token_missing"
            assert (await client.get("/payments", headers=bearer())).status_code == 403


# --- without FastAPI


async def test_a_guard_needs_no_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "fastapi" or name == "jotgate.guard.fastapi"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name: str, *others: Any, **more: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "fastapi":
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    bare = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)))

    assert bare.verify(token()).sub == "ada"
    assert "connection" in inspect.signature(bare).parameters
    with pytest.raises(ImportError):
        bare.require(role="manager")
