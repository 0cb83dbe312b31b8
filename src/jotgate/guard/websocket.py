"""A guarded WebSocket: closed with 4401 when its token is over, and answered with a subprotocol that browsers accept.

    the token is over, and the application has    the client sees        the application sees
    ------------------------------------------    -------------------    -------------------------------------------
    accepted                                      4401 and the reason    websocket.disconnect; an OSError if it sends
    not answered yet                              the 401, as an HTTP    accept does nothing; then the same
                                                  answer
    closed, denied or seen the end                that                   that

    offered                    accepted with                answered
    -----------------------    -------------------------    ----------------------------------
    anything                   one of the application's     that
    `bearer`, `bearer.TOKEN`   none                         `bearer`
    `bearer.TOKEN`             none                         itself: the client has it already
    no token                   none                         none

A browser fails a connection that answers none of what it offered. The application does not see the token among the
subprotocols. The reason is the error's code; 4503 stands for `Unavailable` as 4401 does for a token.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from jotgate.guard.connection import Connection, Ended
from jotgate.wire.bearer import SUBPROTOCOL, Credentials

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_OFFERED: Final = "jotgate.offered"


class Socket:
    """Stands between server and application, which gets its `receive` and `send`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, credentials: Credentials) -> None:
        """`connection` is to be set before it is used."""
        self._receive = receive
        self._send = send
        self._answer = answering(credentials, offered(scope))
        self._is_connected = False
        self.connection: Connection
        self.begun = False  # the application has answered the handshake
        scope[_OFFERED] = offered(scope)
        scope["subprotocols"] = [name for name in scope[_OFFERED] if not name.startswith(SUBPROTOCOL)]

    async def receive(self) -> Message:
        """The client's next message, or the end."""
        if not self._is_connected:  # it waits at the server: frameworks expect it before anything else
            self._is_connected = True
            return await self._receive()
        try:
            message = await self.connection.unless_over(self._receive)
        except Ended as end:
            return {"type": "websocket.disconnect", "code": end.code, "reason": end.reason}
        if message["type"] == "websocket.disconnect":
            self.connection.leave()
        return message

    async def send(self, message: Message) -> None:
        """Pass it on. Raises `Ended` for data that nobody will get."""
        try:
            await self.connection.send(lambda: self._pass_on(message))
        except Ended:
            if message["type"] == "websocket.send":
                raise

    async def _pass_on(self, message: Message) -> None:
        self.begun = True
        if message["type"] not in {"websocket.accept", "websocket.send"}:
            self.connection.leave()  # closed or denied by the application
        elif self._answer is not None and message["type"] == "websocket.accept" and not message.get("subprotocol"):
            message = {**message, "subprotocol": self._answer}
        await self._send(message)


def offered(scope: Scope) -> Sequence[str]:
    """The subprotocols that the client offers; a server may keep them from the headers, and `Socket` from the scope."""
    names: Sequence[str] = scope.get(_OFFERED) or scope.get("subprotocols") or ()
    return names


def answering(credentials: Credentials, names: Sequence[str]) -> str | None:
    """The subprotocol that stands for having taken the token."""
    if credentials.source != "subprotocol":
        return None
    plain = SUBPROTOCOL.removesuffix(".")
    return plain if plain in names else SUBPROTOCOL + credentials.token
