"""Projects of users, elsewhere: the base install, pytest and their framework; and no network at all."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.test_wheel import ROOT, unpacked
from tests.testing.elsewhere import Elsewhere, environment

__all__ = ["unpacked"]
DOCUMENT = (ROOT / "docs" / "testing.md").read_text("utf-8")
PYTEST = ("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
Made = Callable[..., Elsewhere]


@pytest.fixture(scope="module")
def made(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Makes environments."""

    def make(*packages: str, extras: tuple[str, ...] = ()) -> Elsewhere:
        return environment(tmp_path_factory.mktemp("elsewhere") / "venv", unpacked, *packages, extras=extras)

    return make


def documented(section: str) -> dict[str, str]:
    """The files that a section of the documentation shows."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL))


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


PLAIN = {
    "app.py": """
from jotgate import Guard
from jotgate.guard.wsgi import GuardMiddleware

def greet(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["jotgate.principal"].sub.encode()]

app = GuardMiddleware(greet, Guard(issuer="https://auth.example.com"), exclude=["/healthz"])
""",
    "test_app.py": """
from io import BytesIO
from wsgiref.util import setup_testing_defaults
from jotgate.testing import assert_refuses_bad_tokens
from app import app

def send(method, path, headers):
    environ = {"REQUEST_METHOD": method, "QUERY_STRING": path.partition("?")[2], "PATH_INFO": path.partition("?")[0]}
    for name, value in headers:
        name = "HTTP_" + name.upper().replace("-", "_")
        environ[name] = f"{environ[name]}, {value}" if name in environ else value
    setup_testing_defaults(environ)
    answer = []
    body = b"".join(app(environ, lambda status, headers, *_: answer.extend([int(status[:3]), headers])))
    return answer[0], answer[1], body

def test_somebody_is_greeted(auth_headers):
    assert send("GET", "/", [*auth_headers(sub="ada").items()])[2] == b"ada"

def test_bad_tokens_are_refused():
    assert_refuses_bad_tokens(send, "/")
""",
}
REST_FRAMEWORK = {
    "app.py": """
from django.conf import settings
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="app",
    JOTGATE={"issuer": "https://auth.example.com", "audience": "gym"},
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["jotgate.guard.drf.BearerAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "UNAUTHENTICATED_USER": None,
    },
)
import django
django.setup()
from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response

@api_view(["GET", "POST"])
def me(request):
    return Response(request.user.sub if hasattr(request.user, "sub") else str(request.user))

urlpatterns = [path("me", me)]
""",
    "test_app.py": """
import app
from rest_framework.test import APIClient
from jotgate.testing import assert_refuses_bad_tokens

client = APIClient()

def test_acting_as_wins_over_the_clients_own_credentials(acting_as):
    client.credentials(HTTP_AUTHORIZATION="Bearer x")
    assert client.get("/me").status_code == 401
    with acting_as(client, sub="ada"):
        assert "ada" in client.get("/me").content.decode()
    assert client.get("/me").status_code == 401

def test_bad_tokens_are_refused():
    assert_refuses_bad_tokens(client, "/me")
    assert_refuses_bad_tokens(client, "/me", "POST")
""",
}
MORE_DJANGO = {
    **documented("Django"),
    "test_app.py": """
import app
import django
from django.test import AsyncClient, Client, SimpleTestCase, override_settings
from jotgate.testing import TestIssuer, assert_refuses_bad_tokens

django.setup()

class Somebody(SimpleTestCase):
    async def test_an_async_client_acts(self):
        client = AsyncClient()
        with TestIssuer() as issuer, issuer.acting_as(client, sub="ada"):
            answer = await client.get("/me")
            self.assertEqual(answer.content, b"ada")
        self.assertEqual((await client.get("/me")).status_code, 401)

    def test_the_first_request_need_not_have_come(self):
        from jotgate.guard.django_settings import standing
        standing.cache_clear()
        with TestIssuer() as issuer:
            self.assertEqual(self.client.get("/me", headers=issuer.headers(sub="ada")).content, b"ada")

    def test_settings_may_be_overridden(self):
        with TestIssuer() as issuer:
            self.assertEqual(self.client.get("/me", headers=issuer.headers()).status_code, 200)
            with override_settings(JOTGATE={"issuer": "https://other.example"}):
                self.assertEqual(self.client.get("/me", headers=issuer.headers()).status_code, 200)
                assert_refuses_bad_tokens(self.client, "/me")
            self.assertEqual(self.client.get("/me", headers=issuer.headers()).status_code, 200)
""",
}
PROJECTS = {
    "FastAPI": (documented("FastAPI"), ("fastapi", "httpx2"), 5),
    "Flask": (documented("Flask"), ("flask",), 2),
    "Django": (documented("Django"), ("django",), 4),
    "Django, more": (MORE_DJANGO, ("django",), 3),
    "REST framework": (REST_FRAMEWORK, ("djangorestframework",), 2),
    "no framework": (PLAIN, (), 2),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_is_tested_with_the_base_install_and_its_framework(name: str, made: Made, tmp_path: Path) -> None:
    files, packages, tests = PROJECTS[name]
    there = made("pytest", *packages)

    done = there.run(written(tmp_path, files), *PYTEST, "-p", "jotgate.testing")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{tests} passed", done.stdout, re.MULTILINE), done.stdout


def test_a_whole_issuer_needs_the_server_and_stays_on_this_machine(made: Made, tmp_path: Path) -> None:
    there = made("pytest", extras=("server",))

    done = there.run(written(tmp_path, documented("A whole issuer")), *PYTEST, sockets="loopback")

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plugin_can_be_named_in_conftest(made: Made, tmp_path: Path) -> None:
    files = {
        "conftest.py": 'pytest_plugins = ["jotgate.testing"]\n',
        "test_app.py": "def test_it(test_issuer, auth_headers, acting_as, bad_tokens, clock): ...\n",
    }
    guard = {"JOTGATE_ISSUER": "https://auth.example.com"}
    files["conftest.py"] += f"import os\nos.environ.update({guard})\n"
    there = made("pytest")

    for more in ((), ("-p", "jotgate.testing")):  # named twice is fine
        done = there.run(written(tmp_path, files), *PYTEST, *more)

        assert done.returncode == 0, done.stdout + done.stderr


def test_it_does_not_load_by_itself(made: Made, tmp_path: Path) -> None:
    files = {"test_app.py": "def test_it():\n    import sys\n    assert 'jotgate' not in sys.modules\n"}

    done = made("pytest").run(written(tmp_path, files), *PYTEST)

    assert done.returncode == 0, done.stdout + done.stderr


def test_it_works_without_pytest_and_imports_no_framework(made: Made, tmp_path: Path) -> None:
    script = """
import sys
from jotgate.testing import TestIssuer
with TestIssuer() as issuer:
    guard = issuer.guard()
    assert guard.verify(issuer.mint("manager")).roles == ("manager",)
    assert len(issuer.bad_tokens()) >= 150
print(*sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""
    names = ["pytest", "starlette", "fastapi", "flask", "django", "litestar", "quart", "httpx", "uvicorn", "sqlite3"]

    done = made(*names[1:6], "httpx", "uvicorn").run(tmp_path, "-c", script, *names)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_what_is_not_installed_there_is_not_there(made: Made, tmp_path: Path) -> None:
    """Else these tests would show nothing."""
    script = "import importlib, sys; importlib.import_module(sys.argv[1])"
    there = made("pytest", "flask")

    for name in ("starlette", "uvicorn", "httpx", "nacl", "argon2", "prometheus_client", "django"):
        done = there.run(tmp_path, "-c", script, name)
        assert f"No module named '{name}'" in done.stderr
    for name in ("jotgate", "flask", "pytest", "cryptography", "msgspec"):
        assert there.run(tmp_path, "-c", script, name).returncode == 0


@pytest.mark.parametrize(
    ("sockets", "line", "seen"),
    [
        ("none", "socket.socket()", "socket.__new__"),
        ("none", "asyncio.new_event_loop().close()", ""),
        ("none", "socket.getaddrinfo('auth.example.com', 443)", "socket.getaddrinfo"),
        ("loopback", "socket.create_server(('127.0.0.1', 0)).close()", ""),
        ("loopback", "socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))", "socket.connect"),
        ("loopback", "socket.getaddrinfo('auth.example.com', 443)", "socket.getaddrinfo"),
    ],
)
def test_the_watch_over_sockets_sees_them(sockets: str, line: str, seen: str, made: Made, tmp_path: Path) -> None:
    """Also where what it raises is swallowed."""
    script = f"import asyncio, socket\ntry: {line}\nexcept PermissionError: pass"

    with pytest.raises(AssertionError, match=seen) if seen else nullcontext():
        made().run(tmp_path, "-c", script, sockets=sockets)
