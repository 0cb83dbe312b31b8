"""What the attack set finds: applications that are careless in one thing each fail, with all of it in one error."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from jotgate.errors import JotgateError, TokenMissing
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.gate import caller
from jotgate.guard.guard import Guard
from jotgate.guard.request import Facts
from jotgate.jose import b64
from jotgate.testing import TestIssuer, assert_refuses_bad_tokens
from jotgate.testing.issuer import standing
from tests.testing.apps import flask_app

Judge = Callable[[Guard, Request], Response]


def client_of(guard: Guard, judge: Judge) -> Client:
    """A client of an application with a guard of its own making."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return judge(guard, Request(environ))(environ, start_response)

    return Client(app)


def honest(guard: Guard, request: Request) -> Response:
    try:
        who = caller(guard, Facts(request.method, request.scheme, request.headers.getlist))
        if who is None:
            raise TokenMissing
        return Response(who.sub)
    except JotgateError as error:
        answer = guard.answer(error)
        return Response(answer.body, status=answer.status, headers=answer.headers)


def found(client: Client, issuer: TestIssuer, path: str = "/payments", **more: Any) -> dict[str, str]:
    """What is complained about, by the name of the request."""
    with pytest.raises(AssertionError) as caught:
        assert_refuses_bad_tokens(client, path, issuer=issuer, **more)
    head, *lines = str(caught.value).splitlines()
    assert head.startswith(f"GET {path}: {len(lines)} of ")
    return dict(line.strip().split(": ", 1) for line in lines)


def test_an_application_that_is_guarded_passes(issuer: TestIssuer, guard: Guard) -> None:
    assert_refuses_bad_tokens(client_of(guard, honest), "/payments", issuer=issuer)


def test_signatures_that_are_not_checked_are_found(issuer: TestIssuer, guard: Guard) -> None:
    def reads_only(guard: Guard, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            said = json.loads(b64.decode(token.split(".")[1]))
        except (JotgateError, ValueError, IndexError, AttributeError):
            return honest(guard, request)
        if isinstance(said, dict) and said.get("aud") == ["gym"] and said.get("sub"):
            return Response(str(said["sub"]))
        return honest(guard, request)

    complaints = found(client_of(guard, reads_only), issuer)

    assert complaints.keys() >= {"none_alg", "tampered_roles", "swapped_key", "hs_with_public_key", "expired", "jku"}
    assert complaints["none_alg"] == "200 instead of 400 or 401"
    assert "wrong_audience" not in complaints


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("query_access_token", lambda request: request.args.get("access_token")),
        ("cookie_token", lambda request: request.cookies.get("token")),
        ("header_x_access_token", lambda request: request.headers.get("X-Access-Token")),
        ("scheme_jwt", lambda request: request.headers.get("Authorization", "").removeprefix("JWT ")),
        ("scheme_missing", lambda request: request.headers.get("Authorization", "")),
        ("identity_x_forwarded_user", lambda request: request.headers.get("X-Forwarded-User")),
    ],
)
def test_a_token_that_is_taken_from_elsewhere_is_found(
    issuer: TestIssuer, guard: Guard, name: str, where: Callable[[Request], str | None]
) -> None:
    def looks_there(guard: Guard, request: Request) -> Response:
        token = where(request) or ""
        try:
            return Response("admin" if token == "admin" else guard.verify(token).sub)
        except JotgateError:
            return honest(guard, request)

    assert name in found(client_of(guard, looks_there), issuer)


def test_a_first_credential_of_two_that_is_taken_is_found(issuer: TestIssuer, guard: Guard) -> None:
    def takes_the_first(guard: Guard, request: Request) -> Response:
        value = request.headers.get("Authorization", "").split(",")[0]
        return honest(guard, Request({**request.environ, "HTTP_AUTHORIZATION": value} if value else request.environ))

    assert found(client_of(guard, takes_the_first), issuer).keys() == {
        "header_twice",
        "header_twice_another",
        "header_twice_bad_last",
        "header_twice_basic_last",
        "bearer_twice_in_one",
        "bearer_twice_no_blank",
        "bearer_and_basic_in_one",
        "bearer_comma_behind",
    }


def test_a_refusal_without_challenge_is_found(issuer: TestIssuer, guard: Guard) -> None:
    def says_nothing(guard: Guard, request: Request) -> Response:
        answer = honest(guard, request)
        answer.headers.pop("WWW-Authenticate", None)
        return answer

    complaints = found(client_of(guard, says_nothing), issuer)

    assert complaints["nothing"] == complaints["expired"] == "401 without WWW-Authenticate: Bearer"


@pytest.mark.parametrize("place", ["body", "header"])
def test_a_refusal_that_quotes_the_token_is_found(issuer: TestIssuer, guard: Guard, place: str) -> None:
    def quotes(guard: Guard, request: Request) -> Response:
        answer = honest(guard, request)
        if answer.status_code == 401 and place == "body":
            answer.data = f"bad token {request.headers.get('Authorization')}"
        elif answer.status_code == 401:
            answer.headers["X-Debug"] = request.headers.get("Authorization", "")
        return answer

    complaints = found(client_of(guard, quotes), issuer)

    assert complaints["tampered"] == complaints["wrong_audience"] == "the answer quotes the token"


def test_what_the_application_raises_is_found(issuer: TestIssuer, guard: Guard) -> None:
    def stumbles(guard: Guard, request: Request) -> Response:
        if len(request.headers.get("Authorization", "")) > 4096:
            raise TypeError("too long for me")
        return honest(guard, request)

    complaints = found(client_of(guard, stumbles), issuer)

    assert complaints["huge"] == "the application raised TypeError"
    assert "expired" not in complaints


def test_a_server_error_is_no_refusal(issuer: TestIssuer, guard: Guard) -> None:
    def fails(guard: Guard, request: Request) -> Response:
        answer = honest(guard, request)
        return Response(status=500) if answer.status_code == 401 else answer

    assert found(client_of(guard, fails), issuer)["expired"] == "500 instead of 400 or 401"


def test_a_server_may_say_by_itself_that_a_header_is_too_long(issuer: TestIssuer, guard: Guard) -> None:
    def short(guard: Guard, request: Request) -> Response:
        if len(request.headers.get("Authorization", "")) > 4096:
            return Response(status=431)
        return honest(guard, request)

    assert_refuses_bad_tokens(client_of(guard, short), "/payments", issuer=issuer)


def test_a_redirect_to_a_login_page_is_no_refusal(issuer: TestIssuer, guard: Guard) -> None:
    def leads_away(guard: Guard, request: Request) -> Response:
        answer = honest(guard, request)
        return Response(status=302, headers={"Location": "/login"}) if answer.status_code == 401 else answer

    assert found(client_of(guard, leads_away), issuer)["nothing"] == "302 instead of 401"


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, "it answers so to a good request"),
        (401, "does its guard stand in this process"),
        (403, "pass role="),
        (404, "give a path that is there"),
        (405, "give the method"),
        (500, "the application fails"),
    ],
)
def test_nothing_is_shown_where_a_good_token_is_refused(
    issuer: TestIssuer, guard: Guard, status: int, hint: str
) -> None:
    client = client_of(guard, lambda _guard, _request: Response("why", status=status))

    with pytest.raises(AssertionError, match=f"answered {status}, so nothing can be shown here: {hint}.*why"):
        assert_refuses_bad_tokens(client, "/payments", issuer=issuer)


def test_nothing_is_shown_where_a_good_token_is_sent_elsewhere(issuer: TestIssuer, guard: Guard) -> None:
    away = client_of(guard, lambda _guard, _request: Response(status=307, headers={"Location": "/payments/"}))

    with pytest.raises(AssertionError, match="a good token was sent to /payments/: give that path"):
        assert_refuses_bad_tokens(away, "/payments", issuer=issuer)


def test_nothing_is_shown_where_a_good_token_raises(issuer: TestIssuer, guard: Guard) -> None:
    def broken(_guard: Guard, _request: Request) -> Response:
        raise ZeroDivisionError

    with pytest.raises(AssertionError, match="a good token raised ZeroDivisionError") as caught:
        assert_refuses_bad_tokens(client_of(guard, broken), "/payments", issuer=issuer)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_application_that_ends_up_refusing_everybody_does_not_pass(issuer: TestIssuer, guard: Guard) -> None:
    seen: list[str] = []

    def tires(guard: Guard, request: Request) -> Response:
        seen.append(request.path)
        if len(seen) == 1:
            return honest(guard, request)
        return Response(status=401, headers={"WWW-Authenticate": "Bearer"})

    with pytest.raises(AssertionError, match="a good token was answered 401"):
        assert_refuses_bad_tokens(client_of(guard, tires), "/payments", issuer=issuer)


def test_a_body_that_is_missing_does_not_matter(issuer: TestIssuer, guard: Guard) -> None:
    def wants_a_body(guard: Guard, request: Request) -> Response:
        answer = honest(guard, request)
        return Response(status=422) if answer.status_code == 200 else answer

    assert_refuses_bad_tokens(client_of(guard, wants_a_body), "/payments", "POST", issuer=issuer)


def test_the_roles_of_the_path_are_in_every_token(issuer: TestIssuer, guard: Guard) -> None:
    client = flask_app(guard).test_client()

    with pytest.raises(AssertionError, match="403"):
        assert_refuses_bad_tokens(client, "/managers", issuer=issuer)
    assert_refuses_bad_tokens(client, "/managers", issuer=issuer, role="manager")


def test_an_issuer_of_its_own_is_there_for_the_call_alone() -> None:
    assert standing() is None
    with TestIssuer() as issuer:
        guard = issuer.guard("https://alone.example", audience="gym")
        client = flask_app(guard).test_client()

        assert_refuses_bad_tokens(client, "/payments", guard=guard)  # by the one that stands
        issuer.close()
        assert standing() is None
        assert_refuses_bad_tokens(client, "/payments", guard=guard)  # by one for the call

    assert standing() is None


def test_a_guards_cookie_is_not_taken_for_a_wrong_place(issuer: TestIssuer) -> None:
    guard = issuer.guard("https://cookie.example", cookie="token")

    assert_refuses_bad_tokens(flask_app(guard).test_client(), "/payments", issuer=issuer, guard=guard)


def test_a_path_may_have_a_query(issuer: TestIssuer, guard: Guard) -> None:
    client = flask_app(guard).test_client()

    assert_refuses_bad_tokens(client, "/payments?page=2", issuer=issuer)


def test_a_middleware_is_tested_like_a_route(issuer: TestIssuer, guard: Guard) -> None:
    app = GuardMiddleware(Starlette(), guard)

    with pytest.raises(AssertionError, match="answered 404, so nothing can be shown here"):
        assert_refuses_bad_tokens(TestClient(app), "/payments", issuer=issuer)
