"""The routes of the conformance table in Django REST framework, without any middleware."""

from tests.guard.djangoland import wsgi

# Django's settings come before what reads them.
# isort: split
from typing import Any

from django.urls import path
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jotgate.guard.drf import BearerAuthentication, Fresh, HasRole, HasScope
from jotgate.guard.guard import Guard

KIND = "wsgi"


def build(guard: Guard) -> Any:
    return wsgi(guard, URLS)


class Who(APIView):  # type: ignore[misc]  # untyped
    authentication_classes: tuple[Any, ...] = (BearerAuthentication,)
    permission_classes: tuple[Any, ...] = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response({"sub": request.auth.sub if request.auth else None})

    post = get


class Open(Who):
    authentication_classes = ()
    permission_classes = (AllowAny,)


class Inside(Who):
    def get(self, request: Request) -> Response:
        request.auth.require(role="owner")
        return super().get(request)


def needing(*permissions: Any) -> Any:
    return Who.as_view(permission_classes=permissions)


URLS = (
    path("open", Open.as_view()),
    path("me", Who.as_view()),
    path("optional", needing()),
    path("role", needing(HasRole("manager"))),
    path("any-role", needing(HasRole("owner") | HasRole("manager"))),
    path("scope", needing(HasScope("members:read"))),
    path("all-scopes", needing(HasScope("members:read", "payments:read"))),
    path("any-scope", needing(HasScope("payments:write", "members:read", match="any"))),
    path("fresh", needing(Fresh(300))),
    path("inside", Inside.as_view()),
)
