"""Any WSGI application, guarded: `JOTGATE_ISSUER=http://127.0.0.1:8000 gunicorn examples.quickstart.wsgi_app:app`."""

import json
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from jotgate import Guard
from jotgate.guard.wsgi import GuardMiddleware


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    who = environ.get("jotgate.principal")  # None where no token is needed
    found: object = {"sub": who.sub} if who else {"hello": "stranger"}
    if who and environ["PATH_INFO"] == "/members":
        who.require(role="manager")
        found = ["ada", "bob"]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]


app = GuardMiddleware(application, Guard.from_env(), exclude=["/"])
