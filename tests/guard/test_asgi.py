"""The guard before an ASGI application, message by message and through a real server."""

import asyncio
import json
import time
from collections.abc import MutableMapping
from typing import Any

import httpx2
import pytest

from jotgate.errors import Forbidden, Malformed, ScopeMissing
from jotgate.guard.asgi import App, GuardMiddleware, admitted
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal
from jotgate.jose import jwk, jwks, jwt, new_key
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, claims, served

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
Messages = list[MutableMapping[str, Any]]

pytestmark = pytest.mark.anyio


@pytest.fixture
def guard() -> Guard:
    return Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)))


def token(**changed: Any) -> str:
    return jwt.encode(claims(ISSUER, **changed), KEY)


def bearer(text: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {text}".encode()


def scope(*headers: tuple[bytes, bytes], kind: str = "http", path: str = "/x", **more: Any) -> dict[str, Any]:
    about = {"type": kind, "path": path, "headers": list(headers), "scheme": "http" if kind == "http" else "ws"}
    return about | ({"method": "GET"} if kind == "http" else {}) | more


async def play(app: App, about: dict[str, Any]) -> Messages:
    sent: Messages = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(about, receive, send)
    return sent


async def hello(about: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
    if about["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    who = about.get("principal")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": (who.sub if who else "nobody").encode()})


def answer(sent: Messages) -> tuple[int, dict[str, str], dict[str, str]]:
    start, body = sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert headers["content-length"] == str(len(body["body"]))
    return start["status"], headers, json.loads(body["body"])


async def test_a_good_token_passes_and_says_who(guard: Guard) -> None:
    about = scope((b"accept", b"*/*"), bearer(token()))

    sent = await play(GuardMiddleware(hello, guard), about)

    assert sent[1]["body"] == b"ada"
    assert about["state"]["principal"] is about["principal"]


async def test_the_state_of_the_server_is_kept(guard: Guard) -> None:
    about = scope(bearer(token()), state={"pool": 1})

    await play(GuardMiddleware(hello, guard), about)

    assert about["state"]["pool"] == 1
    assert about["state"]["principal"].sub == "ada"


@pytest.mark.parametrize(
    ("headers", "status", "code", "challenge"),
    [
        ([], 401, "token_missing", 'Bearer realm="api"'),
        ([(b"authorization", b"Basic YTpi")], 401, "token_missing", 'Bearer realm="api"'),
        (
            [(b"authorization", b"Bearer x")],
            401,
            "token_malformed",
            'Bearer realm="api", error="invalid_token", error_description="The access token is malformed"',
        ),
        (
            [(b"authorization", f"Bearer {token(exp=int(time.time()) - 100, iat=int(time.time()) - 200)}".encode())],
            401,
            "token_expired",
            'Bearer realm="api", error="invalid_token", error_description="The access token expired"',
        ),
        (
            [(b"authorization", b"Bearer x"), (b"authorization", b"Bearer x")],
            400,
            "credentials_ambiguous",
            'Bearer realm="api", error="invalid_request"',
        ),
    ],
)
async def test_everything_else_is_refused(
    guard: Guard, headers: list[tuple[bytes, bytes]], status: int, code: str, challenge: str
) -> None:
    sent = await play(GuardMiddleware(hello, guard), scope(*headers))

    found, headers_sent, body = answer(sent)
    assert (found, body["code"], headers_sent["www-authenticate"]) == (status, code, challenge)
    assert headers_sent["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "root", "is_open"),
    [
        ("/healthz", "", True),
        ("/healthz/", "", False),
        ("/healthzz", "", False),
        ("/public/a/b", "", True),
        ("/public/", "", True),
        ("/public", "", False),
        ("/publicly", "", False),
        ("/private", "", False),
        ("/api/healthz", "/api", True),
        ("/healthz", "/api", True),
        ("/apihealthz", "/api", False),
        ("/api/private", "/api", False),
        # What a proxy or an application behind us may still take apart to another path.
        ("/public/../private", "", False),
        ("/public/a/..", "", False),
        ("/public/./a", "", False),
        ("/public/..;/private", "", False),
        ("/public/..\\private", "", False),
        ("/public//private", "", False),
        ("/public/%2e%2e/private", "", False),
        ("/api/public/../private", "/api", False),
        ("/public/a..b/.c/...", "", True),
    ],
)
async def test_excluded_paths_need_no_token(guard: Guard, path: str, root: str, *, is_open: bool) -> None:
    app = GuardMiddleware(hello, guard, exclude=["/healthz", "/public/*"])

    sent = await play(app, scope(path=path, root_path=root))

    assert sent[0]["status"] == (200 if is_open else 401)


async def test_one_excluded_path_may_be_given_as_a_text(guard: Guard) -> None:
    app = GuardMiddleware(hello, guard, exclude="/healthz")

    assert (await play(app, scope(path="/healthz")))[0]["status"] == 200
    assert (await play(app, scope(path="/h")))[0]["status"] == 401


async def test_the_lifespan_passes(guard: Guard) -> None:
    async def lifespan(about: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
        await send({"type": f"{about['type']}.startup.complete"})

    assert await play(GuardMiddleware(lifespan, guard), {"type": "lifespan"}) == [{"type": "lifespan.startup.complete"}]


# --- forbidden from inside


async def test_a_requirement_inside_is_answered_the_same_way(guard: Guard) -> None:
    async def needs(about: MutableMapping[str, Any], _receive: Any, _send: Any) -> None:
        about["principal"].require(scope="payments:write")

    status, headers, body = answer(await play(GuardMiddleware(needs, guard), scope(bearer(token()))))

    assert (status, body["code"]) == (403, "scope_missing")
    assert headers["www-authenticate"].endswith('error="insufficient_scope", scope="payments:write"')


async def test_an_answer_that_has_begun_cannot_be_taken_back(guard: Guard) -> None:
    async def late(about: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
        await hello(about, _receive, send)
        raise ScopeMissing

    with pytest.raises(Forbidden):
        await play(GuardMiddleware(late, guard), scope(bearer(token())))


# --- WebSocket


async def test_a_websocket_with_a_good_token_passes(guard: Guard) -> None:
    assert await play(GuardMiddleware(hello, guard), scope(bearer(token()), kind="websocket")) == [
        {"type": "websocket.accept"}
    ]


async def test_a_websocket_is_closed_where_the_server_knows_no_denial(guard: Guard) -> None:
    nothing: dict[str, Any] = {}
    for extensions in (None, nothing):
        sent = await play(GuardMiddleware(hello, guard), scope(kind="websocket", extensions=extensions))

        assert sent == [{"type": "websocket.close", "code": 4401, "reason": "token_missing"}]


async def test_a_websocket_is_denied_with_the_whole_answer(guard: Guard) -> None:
    start, body = await play(
        GuardMiddleware(hello, guard), scope(kind="websocket", extensions={"websocket.http.response": {}})
    )

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert json.loads(body["body"])["code"] == "token_missing"


async def test_an_open_websocket_is_closed_when_it_is_forbidden(guard: Guard) -> None:
    async def needs(about: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await hello(about, receive, send)
        about["principal"].require(role="owner")

    about = scope(bearer(token()), kind="websocket", extensions={"websocket.http.response": {}})

    assert (await play(GuardMiddleware(needs, guard), about))[1] == {
        "type": "websocket.close",
        "code": 4403,
        "reason": "role_missing",
    }


# --- cookies


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", [], 200),
        ("POST", [(b"origin", b"http://api.test"), (b"x-csrf-token", b"c1")], 200),
        ("POST", [(b"origin", b"http://evil.test"), (b"x-csrf-token", b"c1")], 403),
        ("POST", [(b"origin", b"http://api.test")], 403),
    ],
)
async def test_a_cookie_carries_the_token_where_that_was_asked_for(
    method: str, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), cookie="at")
    sent_cookie = (b"cookie", f"at={token(extra={'csrf': 'c1'})}".encode())

    sent = await play(
        GuardMiddleware(hello, guard), scope((b"host", b"api.test"), sent_cookie, *headers, method=method)
    )

    assert sent[0]["status"] == status


@pytest.mark.parametrize(("origin", "kind"), [(b"http://api.test", "accept"), (b"http://evil.test", "close")])
async def test_a_websocket_by_cookie_comes_from_our_own_page(origin: bytes, kind: str) -> None:
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), cookie="at")
    headers = [(b"host", b"api.test"), (b"cookie", f"at={token()}".encode()), (b"origin", origin)]

    sent = await play(GuardMiddleware(hello, guard), scope(*headers, kind="websocket"))

    assert sent[0]["type"] == f"websocket.{kind}"


async def test_where_cookies_are_read_a_header_still_counts_and_nothing_is_still_nothing() -> None:
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), cookie="at")
    app = GuardMiddleware(hello, guard)

    assert answer(await play(app, scope()))[2]["code"] == "token_missing"
    assert (await play(app, scope(bearer(token()), method="POST")))[0]["status"] == 200


# --- an issuer on the network


async def test_fifty_first_requests_cause_one_fetch_and_the_loop_goes_on(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.3
    app = GuardMiddleware(hello, guards(issuer.url))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    answers = await asyncio.gather(*(play(app, scope(bearer(issuer.token(jti=str(n))))) for n in range(50)))
    ticking.cancel()

    assert {sent[0]["status"] for sent in answers} == {200}
    assert issuer.keys_asked == 1
    assert ticks > 3


async def test_a_request_that_gives_up_takes_nobody_with_it(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.3
    guard = guards(issuer.url, revocation=None)
    first = asyncio.create_task(admitted(guard, scope(bearer(issuer.token()))))
    second = asyncio.create_task(admitted(guard, scope(bearer(issuer.token()))))
    await asyncio.sleep(0.1)

    first.cancel()

    who = await second
    assert isinstance(who, Principal)


async def test_an_issuer_that_never_answers_costs_a_503(
    issuer: StandIn, guards: Guards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jotgate.guard.courier.KEYS_SECONDS", 0.05)
    issuer.keys_pause = 1.0
    app = GuardMiddleware(hello, guards(issuer.url, revocation=None))

    status, headers, body = answer(await play(app, scope(bearer(issuer.token()))))

    assert (status, body["code"], headers["retry-after"]) == (503, "keys_unavailable", "1")


async def test_through_a_real_server(guard: Guard) -> None:
    with served(GuardMiddleware(hello, guard, exclude=["/healthz"])) as url:
        async with httpx2.AsyncClient(base_url=url) as client:
            good = await client.get("/", headers={"Authorization": f"Bearer {token()}"})
            none = await client.get("/")
            head = await client.head("/")
            bad = await client.post("/", headers={"Authorization": "Bearer x.y.z"}, content=b"x" * 100_000)
            twice = await client.get("/", headers=[("Authorization", "Bearer x"), ("Authorization", "Bearer y")])
            health = await client.get("/healthz")

    assert (good.status_code, good.text) == (200, "ada")
    assert (none.status_code, none.json()["code"]) == (401, "token_missing")
    assert (head.status_code, head.content) == (401, b"")
    assert (bad.status_code, bad.json()["code"]) == (401, "token_malformed")
    assert (twice.status_code, twice.json()["code"]) == (400, "credentials_ambiguous")
    assert (health.status_code, health.text) == (200, "nobody")


async def test_what_is_admitted_is_what_the_guard_says(guard: Guard) -> None:
    assert await admitted(guard, scope()) is None
    with pytest.raises(Malformed):
        await admitted(guard, scope(bearer("x")))
