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
from jotgate.guard.asgi import Receive, Scope, Send, admitted, judged, refuse
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
        if security_scopes.scopes:
            Requirement.of(scope=security_scopes.scopes).check(principal, now=0)
        scope["principal"] = scope.setdefault("state", {})["principal"] = principal
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
        return principal


async def answered(connection: HTTPConnection, error: JotgateError) -> "Refusal":
    """The exception handler that a guarded application gets."""
    if not isinstance(error, ANSWERED):
        raise error  # not a guard's business
    accepted = isinstance(connection, WebSocket) and connection.application_state is not WebSocketState.CONNECTING
    return Refusal(connection.scope[_GUARD], error, accepted=accepted)


class Refusal:
    """The answer of `wire.challenge`, as FastAPI sends answers."""

    def __init__(self, guard: Guard, error: JotgateError, *, accepted: bool) -> None:
        self._guard = guard
        self._error = error
        self._accepted = accepted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Send it."""
        await refuse(self._guard, self._error, scope, send, accepted=self._accepted)


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
