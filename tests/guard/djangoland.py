"""Django for tests: settings are made once a process, and those of an application put in place before its requests."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.signals import setting_changed
from django.core.wsgi import get_wsgi_application

GUARD = "jotgate.guard.django.GuardMiddleware"

if not settings.configured:
    settings.configure(
        SECRET_KEY="for tests",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "drf_spectacular"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        MIDDLEWARE=[],
        ROOT_URLCONF=(),
        JOTGATE={"issuer": "https://auth.example.com", "jwks": {"keys": []}},
        REST_FRAMEWORK={"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"},
    )
    django.setup()


def wsgi(guard: object, urls: Iterable[Any], *middleware: str, **more: Any) -> Callable[[Any, Any], Any]:
    """An application of its own, as far as requests come one after the other."""
    wanted = {"JOTGATE": guard, "ROOT_URLCONF": tuple(urls), "MIDDLEWARE": list(middleware), **more}
    settle(wanted)
    application = get_wsgi_application()

    def serve(environ: Any, start_response: Any) -> Any:
        settle(wanted)
        return application(environ, start_response)

    return serve


def asgi(guard: object, urls: Iterable[Any], *middleware: str, **more: Any) -> Callable[[Any, Any, Any], Any]:
    """The same for a loop."""
    wanted = {"JOTGATE": guard, "ROOT_URLCONF": tuple(urls), "MIDDLEWARE": list(middleware), **more}
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
