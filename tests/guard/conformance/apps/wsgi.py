"""The routes of the conformance table behind `jotgate.guard.wsgi.GuardMiddleware`."""

import json
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from jotgate.guard import gate
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal
from jotgate.guard.wsgi import GuardMiddleware, facts, refuse

KIND = "wsgi"
Need = Callable[[Principal], None]


def build(guard: Guard) -> WSGIApplication:
    needs: dict[str, Need] = {
        "/role": lambda who: who.require(role="manager"),
        "/any-role": lambda who: who.require(role=["owner", "manager"], match="any"),
        "/scope": lambda who: who.require(scope="members:read"),
        "/all-scopes": lambda who: who.require(scope="members:read payments:read"),
        "/any-scope": lambda who: who.require(scope="payments:write members:read", match="any"),
        "/fresh": lambda who: who.require_fresh(300, now=guard.clock()),
        "/inside": lambda who: who.require(role="owner"),
    }

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/optional":
            return _optional(guard, environ, start_response)
        who = environ.get("jotgate.principal")
        if who is not None and path in needs:
            needs[path](who)
        return _say(who, start_response)

    return GuardMiddleware(application, guard, exclude=["/open", "/optional"])


def _optional(guard: Guard, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    try:
        return _say(gate.caller(guard, facts(environ)), start_response)
    except gate.ANSWERED as error:
        return refuse(guard, error, environ, start_response)


def _say(who: Principal | None, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"sub": who.sub if who else None}).encode()]
