"""HTTPS GET with limits: one origin, one connection that stays open, nothing followed, nothing unpacked (RFC 9110).

    limit              why
    ---------------    -----------------------------------------------------------
    https              plain http only to loopback: keys and news must be the issuer's
    no redirect        another address is another issuer
    no proxy           none is taken from the environment
    a deadline         for the whole answer, also when it comes in drops
    a size             read up to it and refused past it, framing and headers too; gzip is not asked for

Everything that goes wrong is `Unavailable` with the reason as its detail.
"""

import http.client
import io
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from urllib.parse import SplitResult

from jotgate.errors import Unavailable

CONNECT_SECONDS: Final = 3.0
_HEAD_BYTES: Final = 1 << 20
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "jotgate-guard"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete answer."""

    status: int
    body: bytes


class Line:
    """A connection to one origin, opened when it is needed. One thread uses it at a time; any may hang up."""

    def __init__(self, origin: SplitResult) -> None:
        self._origin = origin
        self._connection: http.client.HTTPConnection | None = None
        self._deadline = 0.0
        self._left = 0
        self._closed = False
        self._ahead: str | None = None  # what was asked for already

    def ask_ahead(self, target: str, *, headers: Mapping[str, str]) -> None:
        """Send the GET that `get` will be called for next: the answer is on its way meanwhile. Never raises."""
        try:
            if self._connection is not None:
                self._connection.request("GET", target, headers={**_HEADERS, **headers})
                self._ahead = target
        except (OSError, http.client.HTTPException, ValueError):
            self.hang_up()  # `get` opens another connection, and has the reason

    def get(self, target: str, *, headers: Mapping[str, str], seconds: float, max_bytes: int) -> Fetched:
        """The answer to one GET. Raises `Unavailable`."""
        self._deadline = monotonic() + seconds
        self._left = _HEAD_BYTES + 2 * max_bytes
        reused = self._connection is not None
        try:
            return self._exchange(target, headers, max_bytes)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            self.hang_up()
            if not reused:  # an idle connection may have been closed meanwhile: that alone is tried again
                raise Unavailable(_reason(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.hang_up()
            raise Unavailable(_reason(error)) from error
        return self.get(target, headers=headers, seconds=seconds, max_bytes=max_bytes)

    def close(self) -> None:
        """Hang up for good; a `get` that waits in another thread fails."""
        self.interrupt()
        self.hang_up()

    def interrupt(self) -> None:
        """Let a `get` that waits in another thread fail, and no other begin; takes no lock. That thread hangs up."""
        self._closed = True
        connection = self._connection
        held = None if connection is None else connection.sock
        if held is not None:
            with suppress(OSError):  # it may be closed already
                socket.socket.shutdown(held, socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        self._ahead = None
        if connection is not None:
            connection.close()

    def leave(self) -> None:
        """In the child, after a fork: the conversation goes on in the parent, and nothing of it is said or waited for.

        Only this process's descriptor is closed. What reads from it is left as it stands: another thread, which is not
        here, may have held its lock.
        """
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            os.close(connection.sock.detach())

    def _exchange(self, target: str, headers: Mapping[str, str], max_bytes: int) -> Fetched:
        if self._ahead not in {None, target}:
            self.hang_up()
        connection = self._connection or self._open()
        if self._ahead is None:
            connection.request("GET", target, headers={**_HEADERS, **headers})
        self._ahead = None
        with connection.getresponse() as answer:
            body = answer.read(max_bytes + 1)
        if len(body) > max_bytes:
            raise ValueError(f"the answer is over {max_bytes} bytes")
        if answer.length:
            raise ValueError(f"the answer ends {answer.length} bytes too early")
        if answer.getheader("Content-Encoding", "identity").lower() != "identity":
            raise ValueError("the answer is packed, which was not asked for")
        if answer.will_close:
            self.hang_up()
        return Fetched(answer.status, body)

    def _open(self) -> http.client.HTTPConnection:
        host, port = self._origin.hostname or "", self._origin.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=ssl.create_default_context())
            if self._origin.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        )
        connection.auto_open = 0  # whoever hung up meant it
        connection.response_class = self._timed  # type: ignore[assignment]  # a factory serves as well
        connection.connect()
        self._connection = connection
        if self._closed:  # while it was being opened
            raise ConnectionAbortedError("the connection was closed")
        return connection

    def _timed(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:
        source = _Timed(sock, deadline=lambda: self._deadline, came=self._came)
        return http.client.HTTPResponse(source, **options)  # type: ignore[arg-type]

    def _came(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ValueError("the answer does not end")


class _Timed(io.RawIOBase):
    """What an answer is read from: every reading has until the deadline, and tells how much came."""

    def __init__(self, sock: socket.socket, *, deadline: Callable[[], float], came: Callable[[int], None]) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline
        self._came = came

    def makefile(self, _mode: str) -> io.BufferedReader:
        """As `HTTPResponse` asks a socket for it."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline() - monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self._came(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
