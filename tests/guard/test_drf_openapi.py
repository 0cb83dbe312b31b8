"""drf-spectacular shows how tokens are sent, with nothing to configure."""

import subprocess
import sys
from typing import Any

import pytest

from tests.guard.djangoland import guard

# Django's settings come before what reads them.
# isort: split
from django.test import override_settings
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from rest_framework.permissions import AllowAny

from jotgate.guard.drf import BearerAuthentication, HasScope
from tests.guard.test_drf import Who, needing

BEARER = {"bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
COOKIE = {"bearerCookie": {"type": "apiKey", "in": "cookie", "name": "at"}}

pytestmark = pytest.mark.usefixtures("quiet")


class Ours(BearerAuthentication):
    """A subclass is the same scheme."""


@pytest.fixture
def quiet(capsys: pytest.CaptureFixture[str]) -> Any:
    """It warns on standard error, of schemes too."""
    yield
    assert "authenticator" not in capsys.readouterr().err


def schema(*views: Any) -> Any:
    generator: Any = SchemaGenerator
    urls = [path(f"x{number}", view) for number, view in enumerate(views)]
    return generator(patterns=urls).get_schema(request=None, public=True)


@pytest.mark.parametrize("way", [BearerAuthentication, Ours])
def test_a_bearer_token_is_the_scheme(way: type) -> None:
    with override_settings(JOTGATE=guard()):
        found = schema(Who.as_view(authentication_classes=(way,)), needing(HasScope("members:read")))

    assert found["components"]["securitySchemes"] == BEARER
    assert found["paths"]["/x0"]["get"]["security"] == [{"bearerAuth": []}]
    assert found["paths"]["/x1"]["get"]["security"] == [{"bearerAuth": []}]


def test_a_cookie_is_the_other_one_where_the_guard_reads_it() -> None:
    with override_settings(JOTGATE=guard(cookie="at")):
        found = schema(Who.as_view(), needing(AllowAny))

    assert found["components"]["securitySchemes"] == BEARER | COOKIE
    assert found["paths"]["/x0"]["get"]["security"] == [{"bearerAuth": []}, {"bearerCookie": []}]
    assert found["paths"]["/x1"]["get"]["security"] == [{"bearerAuth": []}, {"bearerCookie": []}, {}]


def test_without_it_nothing_of_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("drf_spectacular.extensions", "jotgate.guard.drf_openapi"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    BearerAuthentication()

    assert "jotgate.guard.drf_openapi" not in sys.modules


DEFAULTS = """
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF=(), INSTALLED_APPS=["rest_framework", "drf_spectacular"],
    JOTGATE={"issuer": "https://auth.example.com"},
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["jotgate.guard.drf.BearerAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "UNAUTHENTICATED_USER": None,
    },
)
import django
django.setup()
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from rest_framework.views import APIView

class Who(APIView):
    def get(self, request): ...

found = SchemaGenerator(patterns=[path("x", Who.as_view())]).get_schema(request=None, public=True)
print(list(found["components"]["securitySchemes"]))
"""


def test_as_the_default_of_a_whole_project() -> None:
    """The framework imports the guard while it is itself being imported."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", DEFAULTS], capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("['bearerAuth']\n", 0), done.stderr
