"""Django REST framework with our guard and with simplejwt, for `benchmarks.adapters`.

Django's settings come before its modules, so that they are made and imported where the application is built.
"""

import os
from typing import Any

import django
from django.conf import settings

from benchmarks.adapter_peers import OPEN, OURS, Built, Rotated
from jotgate import Guard

PEER = "simplejwt"


def drf(guard: Guard) -> Built:
    """Its stateless authentication, which looks nobody up in a database."""
    _configure(guard)
    from rest_framework.permissions import AllowAny, IsAuthenticated
    from rest_framework.response import Response
    from rest_framework.views import APIView
    from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
    from rest_framework_simplejwt.tokens import AccessToken

    from jotgate.guard.drf import BearerAuthentication

    class Hello(APIView):  # type: ignore[misc]  # untyped
        def get(self, _request: Any) -> Any:
            return Response({"hello": "world"})

    def behind(authentication: Any) -> Any:
        return Hello.as_view(authentication_classes=[authentication], permission_classes=[IsAuthenticated])

    def token() -> str:
        made = AccessToken()
        made["user_id"] = "1"
        return str(made)

    views = {
        OPEN: Hello.as_view(authentication_classes=[], permission_classes=[AllowAny]),
        OURS: behind(BearerAuthentication),
        PEER: behind(JWTStatelessUserAuthentication),
    }
    return Built(_application(views), {PEER: [token() for _ in range(16)]}, {PEER: "HS256, stateless: no database"})


def _configure(guard: Guard) -> None:
    settings.configure(
        SECRET_KEY=os.urandom(32).hex(),
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
        MIDDLEWARE=[],
        JOTGATE={"guard": guard},
        REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
    )
    django.setup()


def _application(views: dict[str, Any]) -> Any:
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    settings.ROOT_URLCONF = tuple(path(at.lstrip("/"), views[who]) for at, who in Rotated(views))
    return get_wsgi_application()
