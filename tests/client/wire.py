"""The wire between a client and the issuer: counts what goes over it, and loses answers where a test asks for it.

fate       the request         the answer
-------    ----------------    --------------------------------
PASS       reaches the issuer  comes back
LOSE       reaches the issuer  is lost: the connection ends
CUT        reaches the issuer  ends in its middle
REFUSE     does not            the connection ends
bytes      does not            these
"""

import json
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from threading import Lock
from typing import Any


class Fate(Enum):
    PASS = auto()
    LOSE = auto()
    CUT = auto()
    REFUSE = auto()


@dataclass(frozen=True)
class Asked:
    """A request that came over the wire."""

    path: str
    head: str
    body: dict[str, Any]
    upstream: bool


class Wire:
    """`fate` decides by the request's path and by how many were there for this path before it."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.url = ""
        self.asked: list[Asked] = []
        self.fate: Callable[[str, int], Fate | bytes] = lambda _path, _number: Fate.PASS
        self._numbers: Counter[str] = Counter()
        self._lock = Lock()

    def to(self, path: str) -> list[Asked]:
        """What came to this path."""
        return [one for one in self.asked if one.path == path]

    @property
    def refreshes(self) -> list[str]:
        """The refresh tokens that came to the issuer, in order."""
        return [str(one.body["refresh_token"]) for one in self.to("/auth/refresh") if one.upstream]

    def answer(self, request: bytes) -> bytes:
        head, _, content = request.partition(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        with self._lock:
            number = self._numbers[path]
            self._numbers[path] += 1
        fate = self.fate(path, number)
        upstream = fate in {Fate.PASS, Fate.LOSE, Fate.CUT}
        self.asked.append(Asked(path, head.decode("latin-1"), json.loads(content or b"{}"), upstream))
        if isinstance(fate, bytes):
            return fate
        answer = self._forwarded(request) if upstream else b""
        return {Fate.PASS: answer, Fate.CUT: answer[: len(answer) - 20]}.get(fate, b"")

    def _forwarded(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.upstream), timeout=20) as line:
            line.sendall(request)
            return b"".join(iter(lambda: line.recv(65536), b""))


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire: Wire = self.server.wire  # type: ignore[attr-defined]  # set below
        request = b""
        while b"\r\n\r\n" not in request:
            if not (piece := self.request.recv(65536)):
                return
            request += piece
        length = next(
            (line[15:] for line in request.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0"
        )
        while len(request.partition(b"\r\n\r\n")[2]) < int(length):
            request += self.request.recv(65536)
        self.request.sendall(wire.answer(request))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 256


@contextmanager
def wired(upstream: int) -> Iterator[Wire]:
    """A wire to this port."""
    wire = Wire(upstream)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.wire = wire  # type: ignore[attr-defined]  # for the handler
        wire.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield wire
        finally:
            server.shutdown()
            thread.join()


def http(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    """An answer to put on the wire."""
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body
