"""No framework at all: the middleware before a plain application, which asks for its requirements itself."""

import json
from typing import Any

from jotgate.errors import JotgateError
from jotgate.guard.asgi import App, GuardMiddleware, Receive, Scope, Send, admitted, refuse
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Requirement
from tests.guard.conformance.table import ROUTES

KIND = "asgi"


def build(guard: Guard) -> App:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, principal = scope["path"], scope.get("principal")
        if path == "/optional":
            try:
                principal = await admitted(guard, scope)
            except JotgateError as error:
                await refuse(guard, error, scope, send)
                return
        wanted: dict[str, Any] = ROUTES.get(path, {})
        if principal and wanted and path != "/optional":
            Requirement.of(**wanted).check(principal, now=guard.clock())
        if principal and path == "/inside":
            principal.require(role="owner")
        body = json.dumps({"sub": principal and principal.sub}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    return GuardMiddleware(app, guard, exclude=["/open", "/optional"])
