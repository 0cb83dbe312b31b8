"""The routes of the conformance table in Django, with asynchronous views."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path

from jotgate.guard.django import optional, require
from jotgate.guard.guard import Guard
from tests.guard.djangoland import GUARD, asgi

KIND = "asgi"


def build(guard: Guard) -> Any:
    return asgi({"guard": guard, "exclude": ["/open"]}, URLS, GUARD)


async def nobody(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"sub": None})


async def who(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"sub": request.principal.sub if request.principal else None})


async def inside(request: HttpRequest) -> JsonResponse:
    request.principal.require(role="owner")
    return await who(request)


@optional
async def anybody(request: HttpRequest) -> JsonResponse:
    return await who(request)


URLS = (
    path("open", nobody),
    path("me", who),
    path("optional", anybody),
    path("role", require(role="manager")(who)),
    path("any-role", require(role=["owner", "manager"], match="any")(who)),
    path("scope", require(scope="members:read")(who)),
    path("all-scopes", require(scope="members:read payments:read")(who)),
    path("any-scope", require(scope="payments:write members:read", match="any")(who)),
    path("fresh", require(max_age=300)(who)),
    path("inside", inside),
)
