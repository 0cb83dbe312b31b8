"""Quart's half of `jotgate.guard.flask`: requests and WebSockets as ASGI has them, and answers that are awaited.

    refused                                    answer
    ---------------------------------------    ------------------------------------------------------------
    a request                                  that of `wire.challenge`
    a WebSocket, before it is accepted         the same where the server can deny, else closed with 4401
    a WebSocket that was accepted              closed with 4401, 4403, ...
    an open WebSocket, when its token is over  the same, and its view is cancelled as when the client has gone

A WebSocket that brings its token as a subprotocol is accepted with one that browsers take for an answer.
"""

import asyncio
from typing import Any, Final

from quart import Response, current_app, has_request_context, has_websocket_context, websocket
from quart.globals import request_ctx, websocket_ctx

from jotgate.errors import JotgateError, Misuse
from jotgate.guard import asgi, flask
from jotgate.guard.asgi import Scope, presented
from jotgate.guard.connection import Connection, connection_of, register
from jotgate.guard.flask import Here
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys
from jotgate.guard.principal import Principal, Requirement
from jotgate.guard.websocket import answering, offered

_ACCEPTED: Final = "jotgate.accepted"
_CLOSING_SECONDS: Final = 1.0  # for a client that does not answer; nothing is heard of it meanwhile


def install(app: Any) -> None:
    """As `jotgate.guard.flask.install` does."""
    app.error_handler_spec[None][None].setdefault(JotgateError, answered)
    app.before_request(_check_order)
    app.before_websocket(_check_order)


def find() -> Here | None:
    """The request or the WebSocket in hand, if there is one."""
    asked: Any
    if has_request_context():
        asked = request_ctx.request
        return Here(current_app, asked, asked.scope, "principal", asgi.judged, answered)
    if has_websocket_context():
        asked = websocket_ctx.websocket
        return Here(current_app, asked, asked.scope, "principal", _judged, answered, _watch)
    return None


async def answered(error: JotgateError) -> Response | None:
    """The error handler that a guarded application gets."""
    here = flask.find()
    body, status, headers = flask.answer_of(error, here)
    if here.notes["type"] == "websocket" and (here.notes.get(_ACCEPTED) or not _can_deny(here.notes)):
        await websocket.close(4000 + status, error.code)
        return None
    return Response(body, status, headers)


async def _check_order() -> None:
    here = flask.find()
    here.check_order()
    if here.notes["type"] == "websocket":
        _note_acceptance(here.asked)


def _can_deny(scope: Scope) -> bool:
    return "websocket.http.response" in (scope.get("extensions") or {})


def _judged(guard: Guard, scope: Scope) -> Principal | NeedKeys | None:
    _note_acceptance(websocket_ctx.websocket)
    return asgi.judged(guard, scope)


def _note_acceptance(asked: Any) -> None:
    """Whether a WebSocket was accepted Quart keeps to itself; how it is refused depends on it."""
    scope = asked.scope
    if _ACCEPTED in scope:
        return
    accept = asked.accept
    scope[_ACCEPTED] = False

    async def noted(headers: Any = None, subprotocol: str | None = None) -> None:
        scope[_ACCEPTED] = True
        await accept(headers, subprotocol)

    asked.accept = noted


def _watch(guard: Guard, principal: Principal, requirement: Requirement | None) -> None:
    """From now on the WebSocket lasts as long as what it was opened with."""
    asked: Any = websocket_ctx.websocket
    held = connection_of(asked.scope, guard)
    if held is None:  # no `GuardMiddleware` watches it
        held = _watched(guard, principal, asked)
    if requirement is not None:
        held.demand(requirement)


def _watched(guard: Guard, principal: Principal, asked: Any) -> Connection:
    scope = asked.scope
    task = _task()
    found = presented(guard, scope)
    answer = answering(found, offered(scope))
    accept, receive, send = asked.accept, asked.receive, asked.send

    async def accept_answering(headers: Any = None, subprotocol: str | None = None) -> None:
        await accept(headers, subprotocol or answer)

    async def close(why: JotgateError) -> None:
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await asked.close(4000 + why.status, why.code)
        finally:
            task.cancel()  # as Quart does when the client has gone

    held = Connection(guard, found.token, principal, farewell=close)
    asked.accept = accept_answering
    asked.receive = lambda: held.unless_over(receive)
    asked.send = lambda data: held.send(lambda: send(data))
    register(scope, guard, held)
    task.add_done_callback(lambda _: held.leave())
    return held


def _task() -> asyncio.Task[Any]:
    """Quart runs one for each WebSocket, and all that guards or serves it in there."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        raise Misuse("a WebSocket is guarded by an `async` function") from None
    assert task is not None
    return task
