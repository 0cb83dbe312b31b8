"""Connections are not to be held for nothing."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from jotgate.cli import connection
from tests.cli.connected import connected

HALF = b"GET / HTTP/1.1\r\nHost: a\r\nX-Half: "
WHOLE = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LATE = 0.3


async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connection, "HEAD_SECONDS", LATE)
    with connected(app, timeout_keep_alive=1) as port:
        yield port


def is_closed(client: socket.socket) -> bool:
    """Whether the other side hangs up sooner or later."""
    client.settimeout(20)
    with contextlib.suppress(ConnectionError):
        while client.recv(4096):
            pass
    return True


def _drop_by_drop(client: socket.socket) -> None:
    for _ in range(200):
        client.sendall(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize(
    "sent",
    [b"", HALF, WHOLE + HALF, WHOLE * 3 + HALF, WHOLE.replace(b"\r\n\r\n", b"\r\nContent-Length: 99\r\n\r\nx")],
    ids=["nothing", "half a head", "an answer and half a head", "three at once and a half", "a body without an end"],
)
def test_a_connection_without_a_request_is_closed(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)

        assert is_closed(client)


def test_drops_of_a_head_do_not_prolong_its_time(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(HALF)

        with pytest.raises(ConnectionError):
            _drop_by_drop(client)


def test_a_connection_that_asks_in_time_stays(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(4):
            client.sendall(WHOLE)
            assert client.recv(4096).startswith(b"HTTP/1.1 204 ")
            time.sleep(LATE)


@pytest.mark.parametrize(
    ("soft", "hard", "wanted"),
    [
        (1024, 4096, 4096),
        (1024, 1 << 20, 65_536),
        (1024, resource.RLIM_INFINITY, 65_536),
        (1 << 20, 1 << 20, 1 << 20),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY),
    ],
)
def test_as_many_files_as_we_may_have(soft: int, hard: int, wanted: int) -> None:
    assert connection.files_for(soft, hard) == wanted


def test_the_limit_of_this_process_is_raised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        connection.allow_many()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (connection.files_for(256, hard), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
