"""Django for tests: settings are made once a process, and those of an application put in place before its requests."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import django
import httpx2
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.signals import setting_changed
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test import AsyncClient, Client

from jotgate.guard.guard import Guard
from jotgate.jose import jwk, jwks, jwt, new_key
from tests.guard.standin import claims

GUARD = "jotgate.guard.django.GuardMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
BASE = "http://testserver"
NOW = int(time.time())
Sent = Mapping[str, str] | Sequence[tuple[str, str]]

if not settings.configured:
    settings.configure(
        SECRET_KEY="for tests",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "rest_framework",
            "drf_spectacular",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        STATIC_URL="/static/",
        MIDDLEWARE=[],
        ROOT_URLCONF=(),
        JOTGATE={"issuer": ISSUER, "jwks": jwks.of(jwk.public_half(KEY))},
        REST_FRAMEWORK={"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"},
    )
    django.setup()


def guard(**options: Any) -> Guard:
    return Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), **options)


def token(**changed: Any) -> str:
    lasting = {"exp": int(time.time()) + 7200}  # rows of tables are made long before they are run
    return jwt.encode(claims(ISSUER, **lasting | changed), KEY)


def bearer(**changed: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**changed)}"}


# --- applications


def wsgi(jotgate: object, urls: Iterable[Any], *middleware: str, **more: Any) -> Callable[[Any, Any], Any]:
    """An application of its own, as far as requests come one after the other."""
    wanted = {"JOTGATE": jotgate, "ROOT_URLCONF": tuple(urls), "MIDDLEWARE": list(middleware), **more}
    settle(wanted)
    application = get_wsgi_application()

    def serve(environ: Any, start_response: Any) -> Any:
        settle(wanted)
        return application(environ, start_response)

    return serve


def asgi(jotgate: object, urls: Iterable[Any], *middleware: str, **more: Any) -> Callable[[Any, Any, Any], Any]:
    """The same for a loop."""
    wanted = {"JOTGATE": jotgate, "ROOT_URLCONF": tuple(urls), "MIDDLEWARE": list(middleware), **more}
    settle(wanted)
    application = get_asgi_application()

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        settle(wanted)
        await application(scope, receive, send)

    return serve


def settle(wanted: Mapping[str, Any]) -> None:
    """From now on the settings are these."""
    for name, value in wanted.items():
        if getattr(settings, name, None) is not value:
            setattr(settings, name, value)
            setting_changed.send(sender=settings, setting=name, value=value, enter=True)


@contextmanager
def in_transactions() -> Iterator[Callable[[], int]]:
    """Each request is one transaction; `write` into the table `written`, and see how many rows stayed."""
    with connection.cursor() as cursor:
        cursor.execute("create table written (what text)")
        connection.settings_dict["ATOMIC_REQUESTS"] = True
        try:
            yield lambda: int(cursor.execute("select count(*) from written").fetchone()[0])
        finally:
            connection.settings_dict["ATOMIC_REQUESTS"] = False
            cursor.execute("drop table written")


def write() -> None:
    with connection.cursor() as cursor:
        cursor.execute("insert into written values ('before the refusal')")


# --- requests


def ask_sync(path: str, headers: Mapping[str, str] = {}, *, method: str = "GET") -> Any:
    """As a WSGI server hands a request over, through Django's test client."""
    return Client().generic(method, path, headers=dict(headers))


def ask_async(path: str, headers: Mapping[str, str] = {}, *, method: str = "GET") -> Any:
    """As an ASGI server does."""

    async def ask() -> Any:
        return await AsyncClient().generic(method, path, headers=dict(headers))

    return asyncio.run(ask())


def serve_sync(path: str, headers: Sent = (), *, method: str = "GET") -> Any:
    """As a server does, with all that Django's test client would leave out."""
    transport = httpx2.WSGITransport(app=get_wsgi_application())
    with httpx2.Client(transport=transport, base_url=BASE) as client:
        return client.request(method, path, headers=headers)


def serve_async(path: str, headers: Sent = (), *, method: str = "GET") -> Any:
    """The same for a loop."""

    async def serve() -> Any:
        transport = httpx2.ASGITransport(app=get_asgi_application())
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(serve())


def said(response: Any) -> tuple[int, Any]:
    """The status, and the code of a refusal or all that was said."""
    content = json.loads(response.content)
    return response.status_code, content.get("code", content) if isinstance(content, dict) else content
