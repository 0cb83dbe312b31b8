"""The guard before any ASGI application: HTTP and WebSocket.

    app = GuardMiddleware(app, guard, exclude=["/healthz", "/public/*"])

    request                       answer
    --------------------------    ---------------------------------------------------------------------------------
    lifespan, an excluded path    the application's
    a good token                  the application's; the principal is scope["principal"] and request.state.principal
    anything else                 that of `wire.challenge`; a WebSocket gets it as a denial, or is closed with 4401
    a guard's error, inside       the same
    the token is over, later      a WebSocket is closed with 4401, a text/event-stream ends; nothing else is cut

What may be excluded says `openpaths`.

`admitted` and `refuse` serve the adapters of frameworks that stand on ASGI as well. The loop is asyncio's.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

from jotgate.errors import (
    CredentialsAmbiguous,
    JotgateError,
    TokenMissing,
)
from jotgate.guard import gate
from jotgate.guard.connection import Connection, Ended, connection_of, register
from jotgate.guard.gate import ANSWERED
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys
from jotgate.guard.openpaths import open_paths
from jotgate.guard.principal import Principal
from jotgate.guard.request import WEBSOCKET, Facts, credentials
from jotgate.guard.stream import Stream, is_event_stream
from jotgate.guard.waiting import awaited
from jotgate.guard.websocket import Socket, offered
from jotgate.wire import bearer
from jotgate.wire.bearer import Credentials

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("jotgate.guard")


class GuardMiddleware:
    """Lets nobody in but who brings a good token."""

    def __init__(self, app: App, guard: Guard, exclude: Iterable[str] = ()) -> None:
        """`exclude`: paths that need no token; one that ends in `/*` stands for all below it."""
        self._app = app
        self._guard = guard
        self._leaves_open = open_paths(exclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in {"http", "websocket"} or self._is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            principal = judged(self._guard, scope)
            if isinstance(principal, NeedKeys):
                principal = await admitted(self._guard, scope)
            if principal is None:
                raise TokenMissing  # answered like all the others
        except JotgateError as error:
            await refuse(self._guard, error, scope, send)
            return
        scope["principal"] = scope.setdefault("state", {})["principal"] = principal
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif connection_of(scope, self._guard) is None:
            await self._serve_websocket(scope, receive, send)
        else:  # another middleware of the same guard does that
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        onward: Send | None = None  # set when the response has begun
        stream: Stream | None = None

        def noted(message: Message) -> Awaitable[None]:
            nonlocal onward, stream
            if onward is None:
                onward = send
                if is_event_stream(message) and connection_of(scope, self._guard) is None:
                    stream = streamed(self._guard, scope, send)
                    onward = stream.send
            return onward(message)

        try:
            await self._app(scope, receive, noted)
        except ANSWERED as error:
            if onward is not None:
                raise
            await refuse(self._guard, error, scope, send)
        except Ended as end:
            log.info("a stream was ended: %s", end.reason)
        finally:
            if stream is not None:
                await stream.connection.close()

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = watched(self._guard, scope, receive=receive, send=send)
        try:
            await self._app(scope, socket.receive, socket.send)
        except ANSWERED as error:
            await refuse(self._guard, error, scope, socket.send, accepted=socket.begun)
        except Ended as end:
            log.info("a WebSocket was ended: %s", end.reason)
        finally:
            await socket.connection.close()

    def _is_open(self, scope: Scope) -> bool:
        path, root = scope["path"], scope.get("root_path", "")
        if root and path.startswith(f"{root}/"):
            path = path[len(root) :]
        return self._leaves_open(path)


async def admitted(guard: Guard, scope: Scope) -> Principal | None:
    """Who is asking; None: there are no credentials. Waits for the issuer without blocking the loop.

    Raises:
        TokenError, CredentialsAmbiguous, CrossSite, Unavailable: whatever the verdict is.
    """
    return await awaited(lambda: judged(guard, scope), guard.arrivals)


def judged(guard: Guard, scope: Scope) -> Principal | NeedKeys | None:
    """The verdict on a request, or what must come first; None: there are no credentials."""
    if guard.options.cookie is not None or scope["type"] == "websocket":
        return gate.judged(guard, _facts(scope))
    header: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if header is not None:
                raise CredentialsAmbiguous("more than one Authorization header")
            header = value
    token = bearer.from_header(header)
    if token is None:
        return None
    return guard.check(token, now=guard.clock())


async def refuse(guard: Guard, error: JotgateError, scope: Scope, send: Send, *, accepted: bool = False) -> None:
    """The answer of `wire.challenge`. `accepted`: the WebSocket is open, or is to be closed in any case."""
    answer = guard.answer(error)
    log.info("%d %s: %s", answer.status, error.code, error.detail)
    if scope["type"] == "http":
        prefix = "http.response"
    elif not accepted and "websocket.http.response" in (scope.get("extensions") or {}):
        prefix = "websocket.http.response"
    else:
        await send({"type": "websocket.close", "code": 4000 + answer.status, "reason": error.code})
        return
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": f"{prefix}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": answer.body})


def watched(guard: Guard, scope: Scope, *, receive: Receive, send: Send) -> Socket:
    """The ends of an admitted WebSocket for the application; watched until `connection.leave` or `connection.close`."""
    found = presented(guard, scope)
    socket = Socket(scope, receive, send, credentials=found)

    async def close(why: JotgateError) -> None:
        await refuse(guard, why, scope, send, accepted=socket.begun)

    socket.connection = Connection(guard, found.token, scope["principal"], farewell=close)
    register(scope, guard, socket.connection)
    return socket


def streamed(guard: Guard, scope: Scope, send: Send) -> Stream:
    """An admitted stream of events; watched until `connection.leave` or `connection.close`."""
    stream = Stream(guard, presented(guard, scope).token, scope["principal"], send=send)
    register(scope, guard, stream.connection)
    return stream


def presented(guard: Guard, scope: Scope) -> Credentials:
    """What an admitted request was admitted by."""
    found = credentials(_facts(scope), guard.options)
    assert found is not None
    return found


def _facts(scope: Scope) -> Facts:
    def every(wanted: str) -> Sequence[str]:
        found = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted.encode()]
        return found if found or wanted != "sec-websocket-protocol" else offered(scope)

    method = scope["method"] if scope["type"] == "http" else WEBSOCKET
    return Facts(method, scope.get("scheme", "http").replace("ws", "http"), every)  # origins of pages say http
