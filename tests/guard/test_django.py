"""The guard in Django: what is closed and what is open, before synchronous and asynchronous views."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View

from jotgate.guard.django import optional, require
from jotgate.guard.principal import Principal
from tests.guard.conftest import Guards
from tests.guard.djangoland import (
    GUARD,
    NOW,
    ask_async,
    ask_sync,
    bearer,
    guard,
    in_transactions,
    said,
    serve_async,
    token,
    write,
)
from tests.guard.standin import StandIn

Ask = Callable[..., Any]
BAD = {"Authorization": "Bearer x"}


def who(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"sub": request.principal.sub if request.principal else None})


async def who_async(request: HttpRequest) -> JsonResponse:
    return who(request)


@optional
def anybody(request: HttpRequest) -> JsonResponse:
    return who(request)


@optional
async def anybody_async(request: HttpRequest) -> JsonResponse:
    return who(request)


def untouched(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"has principal": hasattr(request, "principal")})


def inside(request: HttpRequest) -> JsonResponse:
    request.principal.require(role="owner")
    raise AssertionError


async def inside_async(request: HttpRequest) -> JsonResponse:
    return inside(request)


def broken(_request: HttpRequest) -> JsonResponse:
    raise ValueError("not the guard's business")


@method_decorator(require(role="manager"), name="dispatch")
class Managed(View):  # type: ignore[misc]  # untyped
    def get(self, request: HttpRequest) -> JsonResponse:
        return who(request)


@method_decorator(require(role="manager"), name="dispatch")
class ManagedAsync(View):  # type: ignore[misc]  # untyped
    async def get(self, request: HttpRequest) -> JsonResponse:
        return who(request)


class Plain(View):  # type: ignore[misc]  # untyped
    def get(self, request: HttpRequest) -> JsonResponse:
        return who(request)


class PlainAsync(View):  # type: ignore[misc]  # untyped
    async def get(self, request: HttpRequest) -> JsonResponse:
        return who(request)


@method_decorator(optional, name="dispatch")
class Partly(View):  # type: ignore[misc]  # untyped
    def get(self, request: HttpRequest) -> JsonResponse:
        return who(request)

    @method_decorator(require(scope="members:read"))  # type: ignore[untyped-decorator]  # untyped
    def post(self, request: HttpRequest) -> JsonResponse:
        return who(request)


URLS = (
    path("who", who),
    path("who-async", who_async),
    path("anybody", anybody),
    path("anybody-async", anybody_async),
    path("required", require()(who)),
    path("required-async", require()(who_async)),
    path("manager", require(role="manager")(who)),
    path("manager-async", require(role="manager")(who_async)),
    path("inside", inside),
    path("inside-async", inside_async),
    path("broken", broken),
    path("managed", Managed.as_view()),
    path("managed-async", ManagedAsync.as_view()),
    path("wrapped", require(role="manager")(Plain.as_view())),
    path("wrapped-async", require(role="manager")(PlainAsync.as_view())),
    path("opened", optional(Plain.as_view())),
    path("opened-async", optional(PlainAsync.as_view())),
    path("partly", Partly.as_view()),
    path("open/view", untouched),
    path("open/required", require()(who)),
)


@pytest.fixture(autouse=True)
def land() -> Iterator[None]:
    stands = {"guard": guard(), "exclude": ["/open/*"]}
    with override_settings(ROOT_URLCONF=URLS, MIDDLEWARE=[GUARD], JOTGATE=stands):
        yield


@pytest.fixture(params=[ask_sync, ask_async], ids=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest) -> Ask:
    chosen: Ask = request.param
    return chosen


@pytest.mark.parametrize("suffix", ["", "-async"], ids=["sync view", "async view"])
@pytest.mark.parametrize(
    ("view", "headers", "answer"),
    [
        ("/who", {}, (401, "token_missing")),
        ("/who", bearer(), (200, {"sub": "ada"})),
        ("/who", BAD, (401, "token_malformed")),
        ("/required", {}, (401, "token_missing")),
        ("/required", bearer(), (200, {"sub": "ada"})),
        ("/required", bearer(iat=NOW - 200, exp=NOW - 100), (401, "token_expired")),
        ("/manager", {}, (401, "token_missing")),
        ("/manager", bearer(), (200, {"sub": "ada"})),
        ("/manager", bearer(roles=()), (403, "role_missing")),
        ("/managed", {}, (401, "token_missing")),
        ("/managed", bearer(), (200, {"sub": "ada"})),
        ("/managed", bearer(roles=()), (403, "role_missing")),
        ("/wrapped", {}, (401, "token_missing")),
        ("/wrapped", bearer(), (200, {"sub": "ada"})),
        ("/wrapped", bearer(roles=()), (403, "role_missing")),
        ("/opened", {}, (200, {"sub": None})),
        ("/opened", bearer(), (200, {"sub": "ada"})),
        ("/anybody", {}, (200, {"sub": None})),
        ("/anybody", bearer(), (200, {"sub": "ada"})),
        ("/anybody", BAD, (401, "token_malformed")),
        ("/inside", bearer(), (403, "role_missing")),
    ],
)
def test_all_is_closed_but_what_says_that_it_is_not(
    ask: Ask, view: str, suffix: str, headers: dict[str, str], answer: tuple[int, Any]
) -> None:
    assert said(ask(view + suffix, headers)) == answer


@pytest.mark.parametrize("headers", [{}, bearer(), BAD])
def test_nobody_looks_at_a_request_for_an_excluded_path(ask: Ask, headers: dict[str, str]) -> None:
    assert said(ask("/open/view", headers)) == (200, {"has principal": False})


def test_below_an_excluded_path_nothing_is_open_that_may_be_read_as_another(ask: Ask) -> None:
    with override_settings(ROOT_URLCONF=(path("open/../who", who),)):
        assert said(ask("/open/../who")) == (401, "token_missing")


def test_a_refusal_is_the_guards_answer(ask: Ask) -> None:
    refused = ask("/manager", bearer(roles=()))

    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="api", error="insufficient_scope"'
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["Content-Type"] == "application/json"
    assert refused.headers["Content-Length"] == str(len(refused.content))


def test_a_class_may_be_open_and_one_of_its_methods_not(ask: Ask) -> None:
    assert said(ask("/partly")) == (200, {"sub": None})
    assert said(ask("/partly", method="POST")) == (401, "token_missing")
    assert said(ask("/partly", bearer(scope="members:*"), method="POST")) == (200, {"sub": "ada"})


def test_what_is_open_in_one_place_stays_closed_in_another(ask: Ask) -> None:
    with override_settings(ROOT_URLCONF=(path("here", optional(who)), path("there", who))):
        assert said(ask("/here")) == (200, {"sub": None})
        assert said(ask("/there")) == (401, "token_missing")


def test_unprotected_only_what_requires_somebody_is_closed(ask: Ask) -> None:
    with override_settings(JOTGATE={"guard": guard(), "protect": False}):
        assert said(ask("/who")) == (200, {"sub": None})
        assert said(ask("/who", bearer())) == (200, {"sub": "ada"})
        assert said(ask("/who", BAD)) == (401, "token_malformed")
        assert said(ask("/required")) == (401, "token_missing")


def test_a_path_that_does_not_exist_is_still_not_found(ask: Ask) -> None:
    assert [ask("/nowhere", headers).status_code for headers in ({}, bearer())] == [404, 404]


def test_an_error_that_is_not_the_guards_is_left_to_django(ask: Ask) -> None:
    with pytest.raises(ValueError, match="not the guard's business"):
        ask("/broken", bearer())


@pytest.mark.parametrize("middleware", [[GUARD], []], ids=["excluded", "no middleware"])
def test_a_requirement_that_nobody_can_meet_is_a_mistake(ask: Ask, middleware: list[str]) -> None:
    with override_settings(MIDDLEWARE=middleware), pytest.raises(ImproperlyConfigured, match="GuardMiddleware"):
        ask("/open/required", bearer())


def test_a_view_can_be_called_with_a_principal_alone() -> None:
    request = RequestFactory().get("/manager")
    request.principal = Principal("bob", roles=("manager",))

    assert said(require(role="manager")(who)(request)) == (200, {"sub": "bob"})


@pytest.mark.parametrize(("age", "status"), [(300, 200), (301, 401)])
def test_a_view_can_ask_for_a_recent_login(ask: Ask, age: int, status: int) -> None:
    stands = guard()
    stands.clock = lambda: NOW
    with override_settings(JOTGATE=stands, ROOT_URLCONF=(path("fresh", require(max_age=300)(who)),)):
        answer = ask("/fresh", bearer(iat=NOW, exp=NOW + 900, auth_time=NOW - age))

    assert answer.status_code == status


def test_a_requirement_of_nothing_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="at least one"):
        require(role="")


# --- headers


@pytest.mark.parametrize("other", ["Bearer {}", "Basic YTpi", "bearer"])
def test_two_credentials_that_a_server_joined_are_ambiguous(other: str) -> None:
    sent = (f"{other.format(token())},Bearer {token()}", f"Bearer {token()}, {other.format(token())}")

    for value in sent:
        assert said(ask_sync("/who", {"Authorization": value})) == (400, "credentials_ambiguous")


def test_two_authorization_headers_are_ambiguous() -> None:
    sent = [("Authorization", "Basic YTpi"), *bearer().items()]

    assert said(serve_async("/who", sent)) == (400, "credentials_ambiguous")


# --- what Django does besides


def writes(request: HttpRequest) -> JsonResponse:
    write()
    return inside(request)


def test_what_a_view_wrote_before_a_refusal_is_rolled_back() -> None:
    with in_transactions() as rows, override_settings(ROOT_URLCONF=(path("writes", require()(writes)),)):
        answer = ask_sync("/writes", bearer())
        stayed = rows()

    assert (said(answer), stayed) == ((403, "role_missing"), 0)


def nothing(_request: HttpRequest) -> None:
    """What somebody writes who forgets to return."""


def test_a_view_without_a_response_is_told_so_by_django() -> None:
    with (
        override_settings(ROOT_URLCONF=(path("nothing", require()(nothing)),)),
        pytest.raises(ValueError, match="didn't return an HttpResponse"),
    ):
        ask_sync("/nothing", bearer())


def test_the_issuer_is_asked_for_its_keys_once(ask: Ask, issuer: StandIn, guards: Guards) -> None:
    with override_settings(JOTGATE=guards(issuer.url, revocation=None)):
        answers = [said(ask("/who", {"Authorization": f"Bearer {issuer.token()}"})) for _ in range(3)]

    assert answers == [(200, {"sub": "ada"})] * 3
    assert issuer.keys_asked == 1
