"""Django REST framework simplejwt with rotation, and its black list of used refresh tokens in the database."""

import json
import os
import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from sqlalchemy import make_url

from benchmarks.server_peers.connection import SQLITE

PASSWORD = "correct horse battery staple"
LOGINS = 5  # users that have a password: Django's hash takes its time


def _database(text: str) -> dict[str, object]:
    """Django's way to write a database down; connections are kept, as its documentation advises."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        options = {"init_command": SQLITE, "transaction_mode": "IMMEDIATE"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.database, "OPTIONS": options, "CONN_MAX_AGE": None}
    return {
        "ENGINE": "django.db.backends.postgresql", "NAME": url.database, "USER": url.username,
        "PASSWORD": url.password or "", "HOST": url.host or url.query.get("host", ""), "PORT": url.port or "",
        "CONN_MAX_AGE": None,
    }  # fmt: skip


settings.configure(
    SECRET_KEY=os.environ["PEER_SECRET"],
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": _database(os.environ["PEER_DATABASE"])},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "rest_framework",
        "rest_framework_simplejwt.token_blacklist",
    ],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"]},
    SIMPLE_JWT={"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True},
    ROOT_URLCONF="benchmarks.server_peers.simplejwt_urls",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - Django's models can be imported only when it is set up
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402

application = get_wsgi_application()


def prepare(count: int) -> list[str]:
    """Tables, and a refresh token for each user."""
    call_command("migrate", verbosity=0)
    for at in range(LOGINS):
        User.objects.create_user(f"login-{at}", password=PASSWORD)
    return [str(RefreshToken.for_user(User.objects.create_user(f"user-{at}"))) for at in range(count)]


if __name__ == "__main__":
    print(json.dumps(prepare(int(sys.argv[1]))))
