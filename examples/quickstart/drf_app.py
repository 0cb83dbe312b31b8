"""Django REST framework, guarded: `JOTGATE_ISSUER=http://127.0.0.1:8000 gunicorn examples.quickstart.drf_app:app`."""

# mypy: disable-error-code="untyped-decorator"
# ruff: noqa: E402  # the framework reads the settings while it is imported

from django.conf import settings

settings.configure(
    SECRET_KEY="not used here",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["jotgate.guard.drf.BearerAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,  # without django.contrib.auth
    },
)

from django.core.wsgi import get_wsgi_application
from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from jotgate.guard.drf import HasRole


@api_view(["GET"])
def me(request: Request) -> Response:
    return Response({"sub": request.auth.sub})


@api_view(["GET"])
@permission_classes([HasRole("manager")])
def members(_request: Request) -> Response:
    return Response(["ada", "bob"])


urlpatterns = [path("me", me), path("members", members)]
app = get_wsgi_application()
