"""The routes of the conformance table in Django, with plain views."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from jotgate.guard.django import optional, require
from jotgate.guard.guard import Guard
from tests.guard.djangoland import GUARD, wsgi

KIND = "wsgi"


def build(guard: Guard) -> Any:
    return wsgi({"guard": guard, "exclude": ["/open"]}, URLS, GUARD, "django.middleware.csrf.CsrfViewMiddleware")


def nobody(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"sub": None})


def who(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"sub": request.principal.sub if request.principal else None})


def inside(request: HttpRequest) -> JsonResponse:
    request.principal.require(role="owner")
    return who(request)


def anybody(request: HttpRequest) -> JsonResponse:
    return who(request)


URLS = (
    path("open", nobody),
    path("me", csrf_exempt(who)),  # the guard checks cookies; Django would ask for its own value besides
    path("optional", optional(anybody)),
    path("role", require(role="manager")(who)),
    path("any-role", require(role=["owner", "manager"], match="any")(who)),
    path("scope", require(scope="members:read")(who)),
    path("all-scopes", require(scope="members:read payments:read")(who)),
    path("any-scope", require(scope="payments:write members:read", match="any")(who)),
    path("fresh", require(max_age=300)(who)),
    path("inside", inside),
)
