"""Connections that last, for the applications that hold them: renewal of a WebSocket, streams that end with a token.

connection                                         ends with its token
-----------------------------------------------    -------------------------------------
WebSocket behind GuardMiddleware, Depends(guard)   by itself
text/event-stream behind GuardMiddleware           by itself
any other stream of events                         `guard.while_valid(request, events)`
any other response                                 never: it is not cut
"""

from collections.abc import AsyncGenerator, AsyncIterable, MutableMapping
from typing import Any

from jotgate.errors import JotgateError, Misuse, TokenMissing
from jotgate.guard.asgi import admitted, presented
from jotgate.guard.connection import Connection, Ended, connection_of
from jotgate.guard.guard import Event, Guard
from jotgate.guard.principal import Principal


async def renew(guard: Guard, connection: Any, token: str | bytes) -> Principal:
    """As `Guard.renew` says. `connection`: the framework's, or the scope itself."""
    scope = _scope(connection)
    held = connection_of(scope, guard)
    if held is None:
        raise Misuse("this guard does not watch that connection")
    principal = await held.renew(token.decode("ascii", "replace") if isinstance(token, bytes) else token)
    scope["principal"] = scope.setdefault("state", {})["principal"] = principal
    return principal


async def while_valid(guard: Guard, request: Any, events: AsyncIterable[Event]) -> AsyncGenerator[Event, None]:
    """As `Guard.while_valid` says. `request`: the framework's, or the scope itself."""
    scope = _scope(request)
    principal = await admitted(guard, scope)
    if principal is None:
        raise TokenMissing
    held = Connection(guard, presented(guard, scope).token, principal, farewell=_in_silence)
    iterator = aiter(events)
    try:
        while True:
            yield await held.unless_over(lambda: anext(iterator))
    except (StopAsyncIteration, Ended):
        pass
    finally:
        held.leave()
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


async def _in_silence(_why: JotgateError) -> None:
    """Who sends the response ends it."""


def _scope(connection: Any) -> MutableMapping[str, Any]:
    scope: MutableMapping[str, Any] = getattr(connection, "scope", connection)
    return scope
