"""The guard in Flask: views of every kind, factories, blueprints, and who answers."""

import json
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Blueprint, Flask, Response, current_app
from flask.testing import FlaskClient
from flask.views import MethodView

from jotgate.errors import (
    CrossSite,
    JotgateError,
    LoginError,
    Misuse,
    ScopeMissing,
    TokenError,
    TokenMissing,
)
from jotgate.guard.flask import current_principal
from jotgate.guard.guard import Guard
from jotgate.jose import jwk, jwks, jwt, new_key
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, claims

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
KEYS = jwks.of(jwk.public_half(KEY))
GUARD = Guard(ISSUER, jwks=KEYS)
NOW = int(time.time())


def bearer(**changed: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt.encode(claims(ISSUER, **changed), KEY)}"}


@GUARD.required()
def me() -> str:
    return current_principal.sub


@GUARD.required()
async def me_async() -> str:
    return current_principal.sub


@GUARD.required(optional=True, role="manager")
def home() -> str:
    return f"Hello, {current_principal.sub}" if current_principal else "Hello, stranger"


def application(**views: Callable[..., Any]) -> FlaskClient:
    """Without `guard.flask`; a view for each path."""
    app = Flask(__name__)
    for name, view in views.items():
        app.add_url_rule(f"/{name}", name, view)
    return app.test_client()


@pytest.mark.parametrize("view", [me, me_async])
def test_a_good_token_says_who(view: Callable[..., Any]) -> None:
    client = application(me=view)

    answers = [client.get("/me", headers=bearer(sub=sub)).text for sub in ("ada", "bob")]

    assert answers == ["ada", "bob"]


@pytest.mark.parametrize("view", [me, me_async])
@pytest.mark.parametrize(
    ("headers", "status", "code", "challenge"),
    [
        ({}, 401, "token_missing", 'Bearer realm="api"'),
        (
            bearer(exp=NOW - 100, iat=NOW - 200),
            401,
            "token_expired",
            'Bearer realm="api", error="invalid_token", error_description="The access token expired"',
        ),
        (
            {"Authorization": "Bearer x,Bearer y"},
            400,
            "credentials_ambiguous",
            'Bearer realm="api", error="invalid_request"',
        ),
    ],
)
def test_everything_else_is_refused(
    view: Callable[..., Any], headers: dict[str, str], status: int, code: str, challenge: str
) -> None:
    client = application(me=view)

    for _ in range(2):
        refused = client.get("/me", headers=headers)

        assert (refused.status_code, json.loads(refused.data)["code"]) == (status, code)
        assert refused.headers.getlist("WWW-Authenticate") == [challenge]
        assert refused.headers.getlist("Content-Type") == ["application/json"]
        assert refused.headers["Cache-Control"] == "no-store"


def test_who_sends_nothing_may_come_in_as_nobody_where_that_was_said() -> None:
    client = application(home=home)

    assert client.get("/home").text == "Hello, stranger"
    assert client.get("/home", headers=bearer()).text == "Hello, ada"
    assert client.get("/home", headers={"Authorization": "Bearer x"}).status_code == 401
    assert client.get("/home", headers=bearer(roles=())).status_code == 403


@pytest.mark.parametrize(
    ("asked", "changed", "status"),
    [
        ({"role": "manager"}, {}, 200),
        ({"role": "owner"}, {}, 403),
        ({"role": ["owner", "manager"]}, {}, 403),
        ({"role": ["owner", "manager"], "match": "any"}, {}, 200),
        ({"scope": "members:read"}, {"scope": "members:*"}, 200),
        ({"scope": "members:write"}, {}, 403),
        ({"max_age": 300}, {"auth_time": 2**40}, 200),
        ({"max_age": 300}, {"auth_time": NOW - 400}, 401),
        ({"max_age": 300}, {}, 401),
    ],
)
def test_what_is_required_beyond_a_good_token(asked: dict[str, Any], changed: dict[str, Any], status: int) -> None:
    client = application(me=GUARD.required(**asked)(lambda: "in"))

    assert client.get("/me", headers=bearer(**changed)).status_code == status


def test_the_login_may_be_as_old_as_was_said_and_not_a_second_older() -> None:
    guard = Guard(ISSUER, jwks=KEYS)
    guard.clock = lambda: NOW
    client = application(fresh=guard.required(max_age=300)(lambda: "in"))

    assert client.get("/fresh", headers=bearer(iat=NOW, exp=NOW + 900, auth_time=NOW - 300)).status_code == 200
    refused = client.get("/fresh", headers=bearer(iat=NOW, exp=NOW + 900, auth_time=NOW - 301))
    assert (refused.status_code, json.loads(refused.data)["code"]) == (401, "step_up_required")
    assert refused.headers["WWW-Authenticate"].endswith('max_age="300"')


def test_a_requirement_of_nothing_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValueError, match="names at least"):
        GUARD.required(role="")


def test_a_view_is_handed_what_it_was_handed_and_keeps_its_name() -> None:
    @GUARD.required()
    def member(name: str, *, loud: bool = False) -> str:
        """A member."""
        return name.upper() if loud else name

    def as_typed() -> str:
        return member("bob", loud=True)

    app = Flask(__name__)
    app.add_url_rule("/members/<name>", view_func=member, defaults={"loud": True})

    assert app.test_client().get("/members/bob", headers=bearer()).text == "BOB"
    assert (member.__name__, member.__doc__) == ("member", "A member.")


class Members(MethodView):
    decorators: ClassVar[list[Callable[..., Any]]] = [GUARD.required()]

    def get(self) -> str:
        return current_principal.sub

    @GUARD.required(role="owner")
    def delete(self) -> str:
        raise AssertionError

    async def post(self) -> str:
        return current_principal.sub


def test_views_that_are_classes() -> None:
    client = application(members=Members.as_view("members"))

    assert client.get("/members").status_code == 401
    assert client.get("/members", headers=bearer()).text == "ada"
    assert client.post("/members", headers=bearer()).text == "ada"
    assert client.delete("/members", headers=bearer()).status_code == 403


# --- preflights


def test_a_preflight_needs_no_token_but_a_view_of_options_does() -> None:
    app = Flask(__name__)
    app.add_url_rule("/me", view_func=me)
    app.add_url_rule("/own", "own", me, methods=["OPTIONS"])
    client = app.test_client()

    assert client.options("/me").status_code == 200
    assert client.options("/own").status_code == 401
    assert client.options("/own", headers=bearer()).text == "ada"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_whole_blueprint_is_guarded_by_a_function_before_its_requests(*, is_async: bool) -> None:
    blueprint = Blueprint("payments", __name__)

    @GUARD.required(role="manager")
    def managers() -> None:
        assert current_principal.sub == "ada"

    @GUARD.required(role="manager")
    async def managers_async() -> None:
        managers()

    blueprint.before_request(managers_async if is_async else managers)
    blueprint.add_url_rule("/payments", "list", lambda: current_principal.sub)
    app = Flask(__name__)
    app.register_blueprint(blueprint)
    app.add_url_rule("/open", "open", lambda: "open")
    client = app.test_client()

    assert client.get("/payments", headers=bearer()).text == "ada"
    assert client.get("/payments", headers=bearer(roles=())).status_code == 403
    assert client.get("/payments").status_code == 401
    assert client.options("/payments").status_code == 200
    assert client.get("/open").text == "open"


def test_a_whole_application_too() -> None:
    client = application(page=lambda: current_principal.sub)
    client.application.before_request(GUARD.required()(lambda: None))

    assert client.get("/page", headers=bearer()).text == "ada"
    assert (client.get("/page").status_code, client.get("/nowhere").status_code) == (401, 401)
    assert client.options("/nowhere").status_code == 401


# --- who answers


def needs_more() -> str:
    current_principal.require(scope="payments:write")
    raise AssertionError


def test_a_requirement_inside_is_answered_the_same_way() -> None:
    client = application(more=GUARD.required()(needs_more))

    refused = client.get("/more", headers=bearer())

    answer = GUARD.answer(ScopeMissing(scope="payments:write"))
    assert (refused.status_code, refused.data) == (answer.status, answer.body)
    assert dict(answer.headers).items() <= dict(refused.headers).items()


def crossed() -> str:
    raise CrossSite


def logged_in() -> str:
    raise LoginError


def test_a_guarded_application_answers_wherever_the_error_is_raised() -> None:
    def create_app() -> Flask:
        app = Flask(__name__)
        Guard(ISSUER, jwks=KEYS, realm="other").flask(app)
        app.add_url_rule("/crossed", view_func=crossed)
        app.add_url_rule("/me", view_func=me)
        app.add_url_rule("/login", view_func=logged_in)
        return app

    for client in (create_app().test_client(), create_app().test_client()):
        assert client.get("/crossed").json == {
            "error": "forbidden",
            "error_description": "This request came from another site",
            "code": "cross_site",
        }
        assert client.get("/me").headers["WWW-Authenticate"] == 'Bearer realm="api"'  # by the guard that refused
        assert client.get("/login").status_code == 500  # no guard's business


def test_where_no_guard_was_asked_its_errors_are_the_applications() -> None:
    client = application(crossed=crossed, me=me)

    assert [client.get(path).status_code for path in ("/crossed", "/me", "/crossed")] == [500, 401, 500]


@pytest.mark.parametrize("raised", [TokenError, JotgateError, TokenMissing])
@pytest.mark.parametrize("first", [False, True])
def test_the_applications_own_handlers_win(raised: type[Exception], *, first: bool) -> None:
    client = application(me=me)
    app = client.application
    for number in (0, 1):
        if first is bool(number):
            GUARD.flask(app)
        else:
            app.register_error_handler(raised, lambda error: (f"own: {error.code}", 418))

    refused = client.get("/me")

    assert (refused.status_code, refused.text) == (418, "own: token_missing")


def test_a_handler_of_everything_does_not_make_an_error_of_a_refusal() -> None:
    client = application(me=me)
    client.application.register_error_handler(Exception, lambda _: ("broken", 500))

    assert client.get("/me").status_code == 401


def test_what_the_application_adds_to_answers_is_added_to_refusals() -> None:
    client = application(me=me)

    @client.application.after_request
    def allow(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "https://app.example.com"
        return response

    assert client.get("/me").headers["Access-Control-Allow-Origin"] == "https://app.example.com"


def timed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Any decorator of the application's own."""

    @wraps(view)
    def entered() -> Any:
        raise AssertionError

    return entered


def test_a_decorator_above_its_route_is_found_out() -> None:
    app = Flask(__name__)
    GUARD.flask(app)
    app.add_url_rule("/me", view_func=me)

    @GUARD.required()
    @app.get("/secret")
    def secret() -> str:
        raise AssertionError

    @GUARD.required()
    @timed
    @app.get("/hidden")
    def hidden() -> str:
        raise AssertionError

    client = app.test_client()
    assert client.get("/me", headers=bearer()).text == "ada"
    assert client.get("/secret").status_code == 500
    assert client.get("/hidden").status_code == 500
    assert client.get("/nowhere").status_code == 404
    app.testing = True
    with pytest.raises(Misuse, match=r"secret: @guard\.required stands above the route"):
        client.get("/secret", headers=bearer())


def test_an_issuer_on_the_network_is_waited_for(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.1
    guard = guards(issuer.url)
    sent = {"Authorization": f"Bearer {issuer.token()}"}

    async def later() -> str:
        return current_app.name

    client = application(now=guard.required()(lambda: "in"), later=guard.required()(later))

    assert [client.get(path, headers=sent).status_code for path in ("/now", "/later")] == [200, 200]


def test_what_the_docs_show_works() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "guard.md").read_text("utf-8")
    source = docs.partition("## Flask and Quart")[2].partition("```python\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {"__name__": "example"}

    exec(compile(source, "example", "exec", dont_inherit=True), namespace)

    client = namespace["app"].test_client()
    assert (client.get("/").text, client.get("/payments").status_code) == ("Hello, stranger", 401)
