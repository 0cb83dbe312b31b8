"""A guarded stream of events over HTTP: it ends when its token is over (text/event-stream, WHATWG HTML section 9.2).

    the token is over, and the application    the client sees                     the application sees
    --------------------------------------    --------------------------------    -------------------------
    goes on sending                           the end, and asks again: the 401    an OSError
    waits for `http.disconnect`               the same                            http.disconnect, of the server
    has sent its end                          that                                nothing

Every other response goes through as it is, however long it takes.
"""

import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from jotgate.errors import JotgateError
from jotgate.guard.connection import Connection
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal

Message = MutableMapping[str, Any]

_event_stream = re.compile(rb"text/event-stream(?=[; \t]|\Z)", re.IGNORECASE).match


def is_event_stream(start: Message) -> bool:
    """Whether this begins a stream of events. Every response comes by here, and most say their length first."""
    headers: Collection[tuple[bytes, bytes]] = start.get("headers", ())
    for name, value in headers:
        if name == b"content-length":
            return False
        if name == b"content-type":
            return _event_stream(value) is not None
    return any(name.lower() == b"content-type" and _event_stream(value) for name, value in headers)


class Stream:
    """Stands before the server's `send`."""

    def __init__(
        self, guard: Guard, token: str, principal: Principal, *, send: Callable[[Message], Awaitable[None]]
    ) -> None:
        self._send = send
        self.connection = Connection(guard, token, principal, farewell=self._finish)

    async def send(self, message: Message) -> None:
        """Pass it on. Raises `Ended`."""
        await self.connection.send(lambda: self._pass_on(message))

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.connection.leave()
        await self._send(message)

    async def _finish(self, _why: JotgateError) -> None:
        await self._send({"type": "http.response.body", "body": b""})
