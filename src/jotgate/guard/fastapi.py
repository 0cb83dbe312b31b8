"""The guard as FastAPI's dependency.

    who: Annotated[Principal, Depends(guard)]                               a good token
    who: Annotated[Principal, Depends(guard.require(role="manager"))]       and the role
    who: Annotated[Principal, Depends(guard.fresh(max_age=300))]            and a login in the last five minutes
    who: Annotated[Principal, Security(guard, scopes=["payments:read"])]    and the scopes, in OpenAPI too
    who: Annotated[Principal | None, Depends(guard.optional)]               None without credentials; a bad one fails

Refusals are answered by `wire.challenge`, also where `principal.require` raises them in the route itself, unless the
application has a handler of its own for them. `app.dependency_overrides[guard]` replaces the guard for all of its
requirements.

FastAPI reads `__signature__` of what it is given: there the parameters stand that it fills in.
"""

import asyncio
from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import APIKeyCookie, HTTPBearer, SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketState

from jotgate.errors import (
    JotgateError,
    TokenMissing,
)
from jotgate.guard.asgi import Receive, Scope, Send, admitted, judged, refuse, watched
from jotgate.guard.connection import connection_of
from jotgate.guard.gate import ANSWERED
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys
from jotgate.guard.principal import Principal, Requirement

_GUARD = "jotgate.guard"


class Scheme(SecurityBase):
    """How a token is sent, for OpenAPI; the guard itself reads it."""

    def __init__(self, like: HTTPBearer | APIKeyCookie) -> None:
        self.model = like.model
        self.scheme_name = like.scheme_name

    async def __call__(self) -> None:
        """Nothing is left to do."""


class Dependency:
    """Who is asking; `optional`: None where there are no credentials."""

    def __init__(self, guard: Guard, *, optional: bool = False) -> None:
        self._guard = guard
        self._optional = optional
        self.__signature__ = Signature(
            [
                _parameter("connection", HTTPConnection),
                _parameter("security_scopes", SecurityScopes),
                *(_parameter(name, Annotated[None, Depends(scheme)]) for name, scheme in _schemes(guard).items()),
            ]
        )

    async def __call__(
        self,
        connection: HTTPConnection,
        security_scopes: SecurityScopes,
        **_schemes: None,
    ) -> Principal | None:
        """Raises what `refuse` answers."""
        scope = connection.scope
        _prepare(scope, self._guard)
        principal = judged(self._guard, scope)
        if isinstance(principal, NeedKeys):
            principal = await admitted(self._guard, scope)
        if principal is None:
            if self._optional:
                return None
            raise TokenMissing
        requirement = Requirement.of(scope=security_scopes.scopes) if security_scopes.scopes else None
        if requirement is not None:
            requirement.check(principal, now=0)
        scope["principal"] = scope.setdefault("state", {})["principal"] = principal
        if isinstance(connection, WebSocket):
            _watch(connection, self._guard)
            _demand(connection, self._guard, requirement)
        return principal


class Required:
    """Who is asking, if that is enough."""

    def __init__(self, guard: Guard, requirement: Requirement) -> None:
        self._guard = guard
        self._requirement = requirement
        self.__signature__ = Signature(
            [_parameter("connection", HTTPConnection), _parameter("principal", Annotated[Principal, Depends(guard)])]
        )

    async def __call__(self, connection: HTTPConnection, principal: Principal) -> Principal:
        """Raises `Forbidden`."""
        _prepare(connection.scope, self._guard)  # again: the guard may have been overridden
        self._requirement.check(principal, now=self._guard.clock())
        if isinstance(connection, WebSocket):
            _demand(connection, self._guard, self._requirement)
        return principal


async def answered(connection: HTTPConnection, error: JotgateError) -> "Refusal":
    """The exception handler that a guarded application gets."""
    if not isinstance(error, ANSWERED):
        raise error  # not a guard's business
    return Refusal(connection.scope[_GUARD], error, socket=connection if isinstance(connection, WebSocket) else None)


class Refusal:
    """The answer of `wire.challenge`, as FastAPI sends answers."""

    def __init__(self, guard: Guard, error: JotgateError, *, socket: WebSocket | None) -> None:
        self._guard = guard
        self._error = error
        self._socket = socket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Send it."""
        accepted = False
        if self._socket is not None:
            accepted = self._socket.application_state is not WebSocketState.CONNECTING
            send = self._socket._send  # noqa: SLF001  # which knows whether it is closed already
        await refuse(self._guard, self._error, scope, send, accepted=accepted)


def _watch(socket: WebSocket, guard: Guard) -> None:
    """Unless a `GuardMiddleware` does. A dependency gets nothing else to stand in between with."""
    if connection_of(socket.scope, guard) is None:
        ends = watched(guard, socket.scope, receive=socket._receive, send=socket._send)  # noqa: SLF001
        socket._receive, socket._send = ends.receive, ends.send  # noqa: SLF001
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: ends.connection.leave())


def _demand(socket: WebSocket, guard: Guard, requirement: Requirement | None) -> None:
    """Of whatever token it is renewed with."""
    held = connection_of(socket.scope, guard)
    if held is not None and requirement is not None:  # nobody watches where the application overrides the guard
        held.demand(requirement)


def _prepare(scope: Scope, guard: Guard) -> None:
    """See to it that refusals are answered: the application's handlers are found through the scope alone."""
    scope[_GUARD] = guard
    handlers = scope.get("starlette.exception_handlers")
    if handlers is not None and JotgateError not in handlers[0]:
        handlers[0][JotgateError] = answered


def _schemes(guard: Guard) -> Mapping[str, Scheme]:
    found = {"bearer": Scheme(HTTPBearer(bearerFormat="JWT"))}
    if guard.options.cookie is not None:
        found["cookie"] = Scheme(APIKeyCookie(name=guard.options.cookie))
    return found


def _parameter(name: str, annotation: Any) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
