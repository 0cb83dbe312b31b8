"""Quart's half of `jotgate.guard.flask`: requests and WebSockets as ASGI has them, and answers that are awaited.

    refused                                    answer
    ---------------------------------------    ------------------------------------------------------
    a request                                  that of `wire.challenge`
    a WebSocket, before it is accepted         the same where the server can deny, else closed with 4401
    a WebSocket that was accepted              closed with 4401, 4403, ...

What `required` has let in stays in until the view ends; `jotgate.guard.asgi.GuardMiddleware` around `app.asgi_app`
ends it when its token does.
"""

from typing import Any, Final

from quart import Response, current_app, has_request_context, has_websocket_context, request, websocket
from quart.globals import websocket_ctx

from jotgate.errors import JotgateError
from jotgate.guard import asgi, flask
from jotgate.guard.asgi import Scope
from jotgate.guard.flask import Here
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys
from jotgate.guard.principal import Principal

_ACCEPTED: Final = "jotgate.accepted"


def install(app: Any) -> None:
    """As `jotgate.guard.flask.install` does."""
    app.error_handler_spec[None][None].setdefault(JotgateError, answered)
    app.before_request(_check_order)
    app.before_websocket(_check_order_of_websocket)


def find() -> Here | None:
    """The request or the WebSocket in hand, if there is one."""
    asked: Any = request if has_request_context() else websocket if has_websocket_context() else None
    if asked is None:
        return None
    return Here(current_app, asked, asked.scope, "principal", _judged, answered)


async def answered(error: JotgateError) -> Response | None:
    """The error handler that a guarded application gets."""
    here = flask.find()
    body, status, headers = flask.answer_of(error, here)
    if here.notes["type"] == "websocket" and (here.notes.get(_ACCEPTED) or not _can_deny(here.notes)):
        await websocket.close(4000 + status, error.code)
        return None
    return Response(body, status, headers)


def _judged(guard: Guard, scope: Scope) -> Principal | NeedKeys | None:
    if scope["type"] == "websocket":
        _note_acceptance()
    return asgi.judged(guard, scope)


async def _check_order() -> None:
    flask.find().check_order()


async def _check_order_of_websocket() -> None:
    flask.find().check_order()
    _note_acceptance()


def _can_deny(scope: Scope) -> bool:
    return "websocket.http.response" in (scope.get("extensions") or {})


def _note_acceptance() -> None:
    """Whether a WebSocket was accepted Quart keeps to itself; how it is refused depends on it."""
    asked: Any = websocket_ctx.websocket  # itself, not the proxy
    scope = asked.scope
    if _ACCEPTED in scope:
        return
    accept = asked.accept
    scope[_ACCEPTED] = False

    async def noted(*args: Any, **named: Any) -> None:
        scope[_ACCEPTED] = True
        await accept(*args, **named)

    asked.accept = noted
