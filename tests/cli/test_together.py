"""A head leaves with what follows it, and never later than it must."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from jotgate.cli.together import Together
from tests.cli.connected import connected

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Pieces(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes | None] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.written.append(None)

    def is_closing(self) -> bool:
        return None in self.written


@pytest.mark.parametrize(
    ("done", "left"),
    [
        ([HEAD], []),
        ([HEAD, b"body"], [HEAD + b"body"]),
        ([HEAD, b""], [HEAD]),
        ([HEAD, b"bo", b"dy"], [HEAD + b"bo", b"dy"]),
        ([HEAD, "flush"], [HEAD]),
        ([HEAD, "flush", "flush", b"body"], [HEAD, b"body"]),
        ([HEAD, "close"], [HEAD, None]),
        ([CONTINUE], [CONTINUE]),
        ([CONTINUE, HEAD, b"body"], [CONTINUE, HEAD + b"body"]),
        ([HEAD, b"body", HEAD, b"body"], [HEAD + b"body", HEAD + b"body"]),
    ],
)
def test_what_leaves_and_when(done: list[bytes | str], left: list[bytes | None]) -> None:
    transport = Pieces()
    together = Together(transport)

    for one in done:
        if isinstance(one, bytes):
            together.write(one)
        else:
            getattr(together, one)()

    assert transport.written == left
    assert together.is_closing() == (None in left)


def test_all_else_is_the_transports_own() -> None:
    assert Together(Pieces()).get_extra_info("peername", "nobody") == "nobody"


# --- in uvicorn


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    async def say(**message: object) -> None:
        await send(message)

    body = (await receive())["body"] if scope["path"] == "/echo" else b"body"
    if scope["path"] == "/never":
        await say(type="http.response.start", status=200, headers=[(b"content-length", b"4")])
        raise RuntimeError("in the middle")
    await say(type="http.response.start", status=200, headers=[(b"content-length", str(len(body)).encode())])
    await say(type="http.response.body", body=b"" if scope["method"] == "HEAD" else body)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with connected(app, log_level="critical") as port:
        yield port


def asked(port: int, *sent: bytes, end: bytes) -> bytes:
    """What comes until it ends so; each part is sent when something came for the one before."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        for part in sent:
            client.sendall(part)
            came += client.recv(65_536)
        while not came.endswith(end):
            more = client.recv(65_536)
            assert more, came
            came += more
    return came


def request(method: str, path: str, *more: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *more, "", ""]).encode()


def test_an_answer(port: int) -> None:
    assert asked(port, request("GET", "/"), end=b"body").startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_answer_to_head_has_no_body_and_comes(port: int) -> None:
    came = asked(port, request("HEAD", "/"), request("GET", "/"), end=b"body")

    assert came.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_who_waits_for_100_continue_gets_it_before_the_body_is_sent(port: int) -> None:
    head = request("POST", "/echo", "Expect: 100-continue", "Content-Length: 5")

    came = asked(port, head, b"hello", end=b"hello")

    assert came.startswith(CONTINUE)
    assert came.count(b"HTTP/1.1 ") == 2


def test_three_at_once(port: int) -> None:
    last = request("POST", "/echo", "Content-Length: 4") + b"last"

    came = asked(port, request("GET", "/") * 2 + last, end=b"last")

    assert came.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert came.count(b"\r\n\r\nbody") == 2


def test_a_head_whose_body_fails_leaves_before_the_end(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request("GET", "/never"))
        came = b""
        while more := client.recv(65_536):
            came += more

    assert came.startswith(b"HTTP/1.1 200 OK\r\n")


def test_what_is_no_request(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"nonsense\r\n\r\n")
        came = b""
        while more := client.recv(65_536):
            came += more

    assert came.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert came.endswith(b"Invalid HTTP request received.")
