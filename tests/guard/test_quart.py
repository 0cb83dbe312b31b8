"""The guard in Quart: requests, WebSockets, and a loop that goes on meanwhile."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from quart import Blueprint, Quart, Response
from quart.testing import WebsocketResponseError
from quart.views import MethodView

from jotgate.errors import CrossSite, Misuse, ScopeMissing, TokenError
from jotgate.guard.flask import current_principal
from jotgate.guard.guard import Guard
from jotgate.jose import jwk, jwks, jwt, new_key
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, claims, served

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
KEYS = jwks.of(jwk.public_half(KEY))
GUARD = Guard(ISSUER, jwks=KEYS)
NOW = int(time.time())

pytestmark = pytest.mark.anyio


def bearer(**changed: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt.encode(claims(ISSUER, **changed), KEY)}"}


@GUARD.required()
async def me() -> str:
    return current_principal.sub


@GUARD.required()
def me_in_a_thread() -> str:
    assert threading.current_thread() is not threading.main_thread()
    return current_principal.sub


@GUARD.required(optional=True)
async def home() -> str:
    return f"Hello, {current_principal.sub}" if current_principal else "Hello, stranger"


def application(**views: Callable[..., Any]) -> Quart:
    """Without `guard.flask`; a view for each path."""
    app = Quart(__name__)
    for name, view in views.items():
        app.add_url_rule(f"/{name}", name, view)
    return app


async def opened(app: Quart, path: str, headers: dict[str, str]) -> str:
    async with app.test_client().websocket(path, headers=headers) as connection:
        return str(await connection.receive())


async def code(response: Response) -> tuple[int, str]:
    return response.status_code, json.loads(await response.get_data())["code"]


@pytest.mark.parametrize("view", [me, me_in_a_thread])
async def test_a_good_token_says_who_and_any_other_is_refused(view: Callable[..., Any]) -> None:
    client = application(me=view).test_client()

    for _ in range(2):
        assert await (await client.get("/me", headers=bearer())).get_data() == b"ada"
        refused = await client.get("/me")
        assert await code(refused) == (401, "token_missing")
        assert refused.headers.getlist("WWW-Authenticate") == ['Bearer realm="api"']
        assert refused.headers.getlist("Content-Type") == ["application/json"]
        expired = await client.get("/me", headers=bearer(exp=NOW - 100, iat=NOW - 200))
        assert await code(expired) == (401, "token_expired")


async def test_who_sends_nothing_may_come_in_as_nobody_where_that_was_said() -> None:
    client = application(home=home).test_client()

    assert await (await client.get("/home")).get_data() == b"Hello, stranger"
    assert await (await client.get("/home", headers=bearer())).get_data() == b"Hello, ada"
    assert (await client.get("/home", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_a_cookie_carries_the_token_where_that_was_asked_for() -> None:
    guard = Guard(ISSUER, jwks=KEYS, cookie="at")
    client = application(me=guard.required()(me.__wrapped__)).test_client()  # type: ignore[attr-defined]
    cookie = {"Cookie": f"at={bearer()['Authorization'].removeprefix('Bearer ')}"}

    assert (await client.get("/me", headers=cookie)).status_code == 200
    assert await code(await client.get("/me", headers={"Cookie": "at=x"})) == (401, "token_malformed")


class Members(MethodView):
    decorators = [GUARD.required()]  # noqa: RUF012  # as Quart has it

    async def get(self) -> str:
        return current_principal.sub

    @GUARD.required(role="owner")
    async def delete(self) -> str:
        raise AssertionError


async def test_views_that_are_classes() -> None:
    client = application(members=Members.as_view("members")).test_client()

    assert (await client.get("/members")).status_code == 401
    assert (await client.get("/members", headers=bearer())).status_code == 200
    assert (await client.delete("/members", headers=bearer())).status_code == 403


async def test_a_whole_blueprint_is_guarded_by_a_function_before_its_requests() -> None:
    blueprint = Blueprint("payments", __name__)

    @blueprint.before_request
    @GUARD.required(role="manager")
    async def managers() -> None:
        assert current_principal.sub == "ada"

    @blueprint.get("/payments")
    async def payments() -> str:
        return current_principal.sub

    app = application()
    app.register_blueprint(blueprint)
    client = app.test_client()

    assert (await client.get("/payments", headers=bearer())).status_code == 200
    assert (await client.get("/payments", headers=bearer(roles=()))).status_code == 403
    assert (await client.get("/payments")).status_code == 401
    assert (await client.options("/payments")).status_code == 200


# --- who answers


async def test_a_requirement_inside_is_answered_the_same_way() -> None:
    @GUARD.required()
    async def needs() -> str:
        current_principal.require(scope="payments:write")
        raise AssertionError

    refused = await application(needs=needs).test_client().get("/needs", headers=bearer())

    answer = GUARD.answer(ScopeMissing(scope="payments:write"))
    assert (refused.status_code, await refused.get_data()) == (answer.status, answer.body)
    assert [refused.headers.getlist(name) for name, _ in answer.headers] == [[value] for _, value in answer.headers]


async def test_a_guarded_application_answers_wherever_the_error_is_raised() -> None:
    async def crossed() -> str:
        raise CrossSite

    async def broken() -> str:
        raise Misuse

    app = application(crossed=crossed, broken=broken)
    client = app.test_client()
    assert (await client.get("/crossed")).status_code == 500

    app = application(crossed=crossed, broken=broken)
    GUARD.flask(app)
    client = app.test_client()
    assert await code(await client.get("/crossed")) == (403, "cross_site")
    assert (await client.get("/broken")).status_code == 500


async def test_the_applications_own_handlers_win() -> None:
    app = application(me=me)

    @app.errorhandler(TokenError)
    async def own(error: TokenError) -> tuple[str, int]:
        return error.code, 418

    GUARD.flask(app)
    refused = await app.test_client().get("/me")

    assert (refused.status_code, await refused.get_data()) == (418, b"token_missing")


async def test_where_nobody_was_asked_for_a_token_nobody_is_there() -> None:
    async def forgotten() -> str:
        assert not current_principal
        with pytest.raises(RuntimeError, match="forgotten asks nobody for a token"):
            _ = current_principal.sub
        return current_principal.sub

    refused = await application(forgotten=forgotten).test_client().get("/forgotten", headers=bearer())

    assert refused.status_code == 500


async def test_a_decorator_above_its_route_is_found_out() -> None:
    app = application(me=me)
    GUARD.flask(app)

    @GUARD.required()
    @app.get("/secret")
    async def secret() -> str:
        raise AssertionError

    @GUARD.required()
    @app.websocket("/socket")
    async def socket() -> None:
        raise AssertionError

    app.testing = True  # Quart shows the error then
    client = app.test_client()
    assert (await client.get("/me", headers=bearer())).status_code == 200
    secret_one = await client.get("/secret", headers=bearer())
    with pytest.raises(WebsocketResponseError) as secret_socket:
        await opened(app, "/socket", bearer())

    for shown in (secret_one, secret_socket.value.response):
        assert shown.status_code == 500
        assert b"@guard.required stands above the route" in await shown.get_data()


# --- an issuer on the network


async def test_the_loop_goes_on_while_the_issuer_is_waited_for(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.3
    guard = guards(issuer.url)
    client = application(me=guard.required()(me.__wrapped__)).test_client()  # type: ignore[attr-defined]
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    beside = asyncio.create_task(tick())
    tokens = [issuer.token(jti=str(number)) for number in range(20)]
    asked = (client.get("/me", headers={"Authorization": f"Bearer {token}"}) for token in tokens)
    answers = await asyncio.gather(*asked)
    beside.cancel()

    assert {answer.status_code for answer in answers} == {200}
    assert issuer.keys_asked == 1
    assert ticks > 3


async def test_through_a_real_server() -> None:
    with served(application(me=me, thread=me_in_a_thread)) as url:
        async with httpx2.AsyncClient(base_url=url) as client:
            good = [(await client.get(path, headers=bearer())).text for path in ("/me", "/thread")]
            none = await client.get("/me")
            head = await client.head("/me")
            twice = await client.get("/me", headers=[("Authorization", "Bearer x"), ("Authorization", "Bearer y")])

    assert good == ["ada", "ada"]
    assert (none.status_code, none.json()["code"]) == (401, "token_missing")
    assert (head.status_code, head.content) == (401, b"")
    assert (twice.status_code, twice.json()["code"]) == (400, "credentials_ambiguous")
