"""The guard before a WSGI application, call by call, under PEP 3333's own validator."""

import io
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from jotgate.errors import TokenMissing
from jotgate.guard.guard import Guard
from jotgate.guard.wsgi import GuardMiddleware
from jotgate.jose import jwk, jwks, jwt, new_key
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, claims

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
GUARD = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)))
NOW = int(time.time())
Answer = tuple[str, dict[str, str], bytes]


def token(**changed: Any) -> str:
    return jwt.encode(claims(ISSUER, **changed), KEY)


def asked(authorization: str | None = None, *, path: str = "/x", **more: Any) -> WSGIEnvironment:
    environ: WSGIEnvironment = {"PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", **more}
    setup_testing_defaults(environ)
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    return environ


def play(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """As a server calls it that sends the headers with the first chunk."""
    heard: list[tuple[str, list[tuple[str, str]]]] = []
    written = io.BytesIO()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], int]:
        if exc_info is not None:
            raise exc_info[1]  # the headers are sent
        assert not heard
        heard.append((status, headers))
        return written.write

    chunks = app(environ, start_response)
    try:
        for chunk in chunks:
            assert heard
            written.write(chunk)
    finally:
        getattr(chunks, "close", lambda: None)()
    (status, headers), *_ = heard
    assert len(headers) == len(dict(headers))
    return status, dict(headers), written.getvalue()


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    who = environ.get("jotgate.principal")
    return [(who.sub if who else "nobody").encode()]


def test_a_good_token_passes_and_says_who() -> None:
    environ = asked(f"Bearer {token()}")

    status, _, body = play(validator(GuardMiddleware(validator(hello), GUARD)), environ)

    assert (status, body) == ("200 OK", b"ada")
    assert environ["jotgate.principal"].roles == ("manager",)
    assert environ["REMOTE_USER"] == "ada"


def test_the_remote_user_is_written_as_all_texts_of_the_environment_are() -> None:
    environ = asked(f"Bearer {token(sub='Jörg ✓')}")

    play(GuardMiddleware(hello, GUARD), environ)

    assert environ["REMOTE_USER"].encode("latin-1").decode() == "Jörg ✓"


@pytest.mark.parametrize(
    ("authorization", "status", "code", "challenge"),
    [
        (None, "401 Unauthorized", "token_missing", 'Bearer realm="api"'),
        ("", "401 Unauthorized", "token_missing", 'Bearer realm="api"'),
        ("Basic YTpi", "401 Unauthorized", "token_missing", 'Bearer realm="api"'),
        ('Digest username="a", realm="b"', "401 Unauthorized", "token_missing", 'Bearer realm="api"'),
        (
            "Bearer x",
            "401 Unauthorized",
            "token_malformed",
            'Bearer realm="api", error="invalid_token", error_description="The access token is malformed"',
        ),
        (
            f"bearer {token(exp=NOW - 100, iat=NOW - 200)}",
            "401 Unauthorized",
            "token_expired",
            'Bearer realm="api", error="invalid_token", error_description="The access token expired"',
        ),
        # what servers make of two headers
        (
            "Bearer x,Bearer x",
            "400 Bad Request",
            "credentials_ambiguous",
            'Bearer realm="api", error="invalid_request"',
        ),
        (
            "Bearer x, bearer y",
            "400 Bad Request",
            "credentials_ambiguous",
            'Bearer realm="api", error="invalid_request"',
        ),
        (
            "Basic Yg==,Bearer x",
            "400 Bad Request",
            "credentials_ambiguous",
            'Bearer realm="api", error="invalid_request"',
        ),
        (
            "Basic Yg==, bearer",
            "400 Bad Request",
            "credentials_ambiguous",
            'Bearer realm="api", error="invalid_request"',
        ),
        (
            "Bearer x,Basic Yg==",
            "400 Bad Request",
            "credentials_ambiguous",
            'Bearer realm="api", error="invalid_request"',
        ),
    ],
)
def test_everything_else_is_refused(authorization: str | None, status: str, code: str, challenge: str) -> None:
    found, headers, body = play(validator(GuardMiddleware(hello, GUARD)), asked(authorization))

    assert (found, json.loads(body)["code"], headers["WWW-Authenticate"]) == (status, code, challenge)
    assert (headers["Cache-Control"], headers["Content-Length"]) == ("no-store", str(len(body)))


def test_a_refusal_of_head_has_no_body() -> None:
    _, headers, body = play(validator(GuardMiddleware(hello, GUARD)), asked(REQUEST_METHOD="HEAD"))

    assert (body, headers["Content-Length"]) == (b"", str(len(GUARD.answer(TokenMissing()).body)))


@pytest.mark.parametrize(
    ("path", "mounted_at", "is_open"),
    [
        ("/healthz", "", True),
        ("/healthz", "/api", True),
        ("/api/healthz", "/api", False),  # that is /api/api/healthz
        ("/healthz/", "", False),
        ("", "/healthz", False),
        ("/public/a/b", "", True),
        ("/public", "", False),
        ("/public/../private", "", False),
        ("//public/x", "", False),
        ("/public//x", "", False),
        ("/caf\xc3\xa9", "", True),  # as servers write é
        ("/caf\xe9", "", False),
        ("/public/\xff", "", True),
    ],
)
def test_excluded_paths_need_no_token(path: str, mounted_at: str, *, is_open: bool) -> None:
    app = GuardMiddleware(hello, GUARD, exclude=["/healthz", "/public/*", "/café"])

    status, _, body = play(app, asked(path=path, SCRIPT_NAME=mounted_at))

    assert (status, body == b"nobody") == (("200 OK", True) if is_open else ("401 Unauthorized", False))


# --- cookies


@pytest.mark.parametrize(
    ("method", "cookies", "headers", "status"),
    [
        ("GET", "at={}", {}, 200),
        ("POST", "at={}", {"HTTP_ORIGIN": "http://api.test", "HTTP_X_CSRF_TOKEN": "c1"}, 200),
        ("POST", "at={}", {"HTTP_ORIGIN": "http://evil.test", "HTTP_X_CSRF_TOKEN": "c1"}, 403),
        ("POST", "at={}", {"HTTP_ORIGIN": "http://api.test"}, 403),
        ("GET", "a=1,b=2; at={}", {}, 200),
        # what servers make of two headers
        ("GET", "a=1,at={}", {}, 200),
        ("GET", "at={}, b=2", {}, 200),
        ("GET", "at={},at=x", {}, 400),
        ("GET", "at={},x", {}, 401),
        ("GET", "a=1", {}, 401),
    ],
)
def test_a_cookie_carries_the_token_where_that_was_asked_for(
    method: str, cookies: str, headers: dict[str, str], status: int
) -> None:
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), cookie="at")
    sent = {"HTTP_COOKIE": cookies.format(token(extra={"csrf": "c1"})), "HTTP_HOST": "api.test"}

    answered = play(GuardMiddleware(hello, guard), asked(REQUEST_METHOD=method, **sent, **headers))

    assert answered[0].startswith(str(status))


# --- an issuer on the network


def test_fifty_first_requests_in_as_many_threads_cause_one_fetch(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.3
    app = GuardMiddleware(hello, guards(issuer.url))
    tokens = [issuer.token(jti=str(number)) for number in range(50)]

    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda each: play(app, asked(f"Bearer {each}")), tokens))

    assert {status for status, _, _ in answers} == {"200 OK"}
    assert issuer.keys_asked == 1


def test_an_issuer_that_fails_costs_a_503(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_answer = (500, {}, b"")
    app = GuardMiddleware(hello, guards(issuer.url, revocation=None))

    status, headers, body = play(app, asked(f"Bearer {issuer.token()}"))

    assert (status, json.loads(body)["code"]) == ("503 Service Unavailable", "keys_unavailable")
    assert int(headers["Retry-After"]) >= 1
