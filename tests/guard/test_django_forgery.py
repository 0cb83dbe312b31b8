"""The guard in Django beside its CSRF check, its proxies and its caches: what one caller may is no other page's."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.cache import cache_page

from jotgate.guard.django import optional, require
from tests.guard.djangoland import CSRF, GUARD, bearer, guard, said, serve_async, serve_sync, token
from tests.guard.test_django import Ask

EARLIER, LATER = [GUARD, CSRF], [CSRF, GUARD]
CACHES = ("django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware")
COOKIE = {"Cookie": f"at={token(extra={'csrf': 'c1'})}", "X-CSRF-Token": "c1"}
SAME = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
DJANGOS = {"Cookie": f"{COOKIE['Cookie']}; csrftoken={'s' * 32}", "X-CSRFToken": "s" * 32}


def who(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"sub": request.principal.sub if request.principal else None})


def untouched(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


URLS = (
    path("who", who),
    path("anybody", optional(who)),
    path("open", untouched),
    path("cached", cache_page(60)(require(scope="members:read")(who))),
    path("cached-bare", cache_page(60)(who)),
    path("cached-inside", require(scope="members:read")(cache_page(60)(who))),
    path("cached-optional", optional(cache_page(60)(who))),
)


@pytest.fixture(autouse=True)
def land() -> Iterator[None]:
    stands = {"guard": guard(cookie="at"), "exclude": ["/open"]}
    with override_settings(ROOT_URLCONF=URLS, MIDDLEWARE=EARLIER, JOTGATE=stands):
        yield
    cache.clear()


@pytest.fixture(params=[serve_sync, serve_async], ids=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest) -> Ask:
    chosen: Ask = request.param
    return chosen


def by_django(response: Any) -> bool:
    """Whether the refusal is Django's own."""
    return response.status_code == 403 and b"CSRF" in response.content


@pytest.mark.parametrize("middleware", [EARLIER, LATER])
def test_a_token_in_the_header_cannot_be_forged(ask: Ask, middleware: list[str]) -> None:
    with override_settings(MIDDLEWARE=middleware):
        assert said(ask("/who", bearer(), method="POST")) == (200, {"sub": "ada"})


def test_a_token_in_the_header_and_the_same_in_the_cookie_cannot_be_forged(ask: Ask) -> None:
    same = token()

    sent = {"Authorization": f"Bearer {same}", "Cookie": f"at={same}"}

    assert said(ask("/who", sent, method="POST")) == (200, {"sub": "ada"})


@pytest.mark.parametrize("middleware", [EARLIER, LATER])
def test_a_token_in_a_cookie_is_checked_by_the_guard_and_by_django(ask: Ask, middleware: list[str]) -> None:
    with override_settings(MIDDLEWARE=middleware):
        assert said(ask("/who", COOKIE)) == (200, {"sub": "ada"})
        assert by_django(ask("/who", COOKIE | SAME, method="POST"))
        assert said(ask("/who", COOKIE | SAME | DJANGOS, method="POST")) == (200, {"sub": "ada"})


@pytest.mark.parametrize(
    "headers",
    [
        COOKIE | DJANGOS | {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        COOKIE | DJANGOS | SAME | {"X-CSRF-Token": "c2"},
        COOKIE | DJANGOS,
    ],
    ids=["another site", "another value", "no origin"],
)
def test_what_is_djangos_own_is_not_enough_for_a_cookie(ask: Ask, headers: dict[str, str]) -> None:
    assert said(ask("/who", headers, method="POST")) == (403, "cross_site")


def test_nobody_is_still_checked_by_django(ask: Ask) -> None:
    assert by_django(ask("/anybody", method="POST"))


def test_without_a_token_the_guard_is_the_first_to_refuse(ask: Ask) -> None:
    assert said(ask("/who", method="POST")) == (401, "token_missing")


@pytest.mark.parametrize("headers", [bearer(), {"Authorization": "Bearer x"}])
def test_no_token_opens_what_the_guard_does_not_look_at(ask: Ask, headers: dict[str, str]) -> None:
    assert by_django(ask("/open", headers, method="POST"))


# --- behind a proxy


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {"Origin": "http://testserver"}, 200),
        ({}, {"Origin": "https://testserver", "X-Forwarded-Proto": "https"}, 403),
        (
            {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
            {"Origin": "https://testserver", "X-Forwarded-Proto": "https"},
            200,
        ),
        ({}, {"Origin": "http://gym.example", "X-Forwarded-Host": "gym.example"}, 403),
        ({"USE_X_FORWARDED_HOST": True}, {"Origin": "http://gym.example", "X-Forwarded-Host": "gym.example"}, 200),
        ({"ALLOWED_HOSTS": ["gym.example"]}, {"Origin": "http://testserver"}, 403),
    ],
)
def test_the_own_origin_is_what_the_settings_say_of_proxies(
    ask: Ask, settings: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    with override_settings(**settings, MIDDLEWARE=[GUARD]):
        assert ask("/who", COOKIE | headers, method="POST").status_code == status


# --- caches


def test_a_cached_page_is_for_its_own_caller(ask: Ask) -> None:
    update, fetch = CACHES
    with override_settings(MIDDLEWARE=[update, GUARD, fetch]):
        assert said(ask("/who", bearer(sub="ada"))) == (200, {"sub": "ada"})
        assert said(ask("/who", bearer(sub="bob"))) == (200, {"sub": "bob"})
        assert said(ask("/who", {"Cookie": f"at={token(sub='eve')}"})) == (200, {"sub": "eve"})
        assert said(ask("/who")) == (401, "token_missing")


@pytest.mark.parametrize(
    ("place", "nobody"),
    [
        ("/cached-bare", (401, "token_missing")),
        ("/cached-inside", (401, "token_missing")),
        ("/cached-optional", (200, {"sub": None})),
    ],
)
def test_a_cache_inside_of_the_guard_keeps_no_callers_page(ask: Ask, place: str, nobody: tuple[int, Any]) -> None:
    for sub in ("ada", "bob"):
        assert said(ask(place, {"Cookie": f"at={token(sub=sub)}"})) == (200, {"sub": sub})
    assert said(ask(place)) == nobody


def test_a_sites_cache_inside_of_the_guard_keeps_no_callers_page(ask: Ask) -> None:
    with override_settings(MIDDLEWARE=[GUARD, *CACHES]):
        for sub in ("ada", "bob"):
            assert said(ask("/who", {"Cookie": f"at={token(sub=sub)}"})) == (200, {"sub": sub})
        assert said(ask("/who")) == (401, "token_missing")
        assert said(ask("/anybody")) == (200, {"sub": None})


def test_a_cached_view_is_for_whom_it_was_allowed(ask: Ask) -> None:
    assert said(ask("/cached", bearer())) == (200, {"sub": "ada"})
    assert said(ask("/cached", bearer(scope=""))) == (403, "scope_missing")
    assert said(ask("/cached", {"Cookie": f"at={token(scope='')}"})) == (403, "scope_missing")


def test_what_does_not_depend_on_the_caller_does_not_vary(ask: Ask) -> None:
    assert ask("/who", bearer()).headers["Vary"] == "Authorization, Cookie"
    assert "Vary" not in ask("/open", bearer()).headers
    with override_settings(JOTGATE=guard()):
        assert ask("/who", bearer()).headers["Vary"] == "Authorization"
