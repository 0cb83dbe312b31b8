"""Hostile HTTP on a raw socket: every request gets a clear answer or a closed connection, and the server lives on."""

import json
import socket
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from tests.live.people import PASSWORD
from tests.live.process import Server, serving
from tests.live.talk import bearer

LOGIN = b"POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
ME = b"GET /auth/me HTTP/1.1\r\nHost: a\r\n"
CHUNK = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"


@pytest.fixture(scope="module", params=[{}, {"WORKERS": "2", "SQLITE_WORKERS": "on"}], ids=["one process", "workers"])
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("bad-http")
    with serving(home, LOG_LEVEL="debug", **request.param) as server, server.api() as api:
        api.register("ada@example.com", PASSWORD)
        yield server
        assert api.login("ada@example.com", PASSWORD)
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(autouse=True)
def alive(server: Server) -> Iterator[None]:
    pid = server.pid
    yield
    with server.api() as api:
        assert api.get("/readyz").status == 200
    assert server.process is not None
    assert server.process.poll() is None
    assert server.pid == pid


@pytest.mark.parametrize(
    ("request_bytes", "statuses"),
    [
        (b"BREW /auth/login HTTP/1.1\r\nHost: a\r\n\r\n", {400, 405, 501}),
        (b"DELETE /auth/login HTTP/1.1\r\nHost: a\r\n\r\n", {405}),
        (b"OPTIONS /auth/login HTTP/1.1\r\nHost: a\r\n\r\n", {200, 204, 405}),
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", {404}),
        (b"GET /auth/../auth/me HTTP/1.1\r\nHost: a\r\n\r\n", {400, 404}),
        (b"GET //auth/me HTTP/1.1\r\nHost: a\r\n\r\n", {400, 404}),
        (b"GET /auth/me%00 HTTP/1.1\r\nHost: a\r\n\r\n", {400, 404}),
        (b"GET /%ff%fe HTTP/1.1\r\nHost: a\r\n\r\n", {400, 404}),
        (b"GET /revocations?after=%ff&wait=x HTTP/1.1\r\nHost: a\r\n\r\n", {400, 422}),
        (b"GET /revocations?wait=1&wait=2 HTTP/1.1\r\nHost: a\r\n\r\n", {400, 422}),
        (ME + b"\r\n", {401}),
        (ME + b"Authorization: Bearer a.b.c\r\nAuthorization: Bearer a.b.d\r\n\r\n", {400}),
        (ME + b"Authorization: Bearer " + b"a" * 9000 + b"\r\n\r\n", {400, 401}),
        (ME + b"Authorization: Bearer \xff\xfe\r\n\r\n", {400, 401}),
        (ME + b"Authorization: Basic YTpi\r\n\r\n", {401}),
        (ME + b"Cookie: " + b"a=b; " * 2000 + b"\r\n\r\n", {400, 401}),
        (LOGIN + b"Content-Length: 0\r\n\r\n", {400, 422}),
        (LOGIN + b"Content-Length: 9\r\n\r\nnot json!", {400}),
        (LOGIN + b"Content-Length: 2\r\n\r\n[]", {400, 422}),
        (LOGIN + b"Content-Length: 23\r\n\r\n" + b'{"email":1,"password":2}'[:23], {400}),
        (LOGIN + b"Content-Length: 24\r\n\r\n" + b'{"email":1,"password":2}', {422}),
        (LOGIN + b"Content-Length: 70000\r\n\r\n", {413}),
        (LOGIN + b"Content-Length: 99999999999999\r\n\r\n", {413}),
        (LOGIN + b"Content-Length: -1\r\n\r\n", {400}),
        (LOGIN + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}),
        (LOGIN + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", {400, 422}),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", {400}),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 5, {413}),
        (LOGIN + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", {415}),
        (LOGIN + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", {400, 415}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n", {400}),
        (b"\r\n\r\n\r\n\r\nhello?\r\n\r\n", {400}),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", {400, 404, 505}),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", {400}),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", {400}),
    ],
)
def test_a_wrong_request_gets_a_clear_answer(server: Server, request_bytes: bytes, statuses: set[int]) -> None:
    with Raw(server) as raw:
        raw.send(request_bytes)
        status, body = raw.answer()

    assert status in statuses, (status, body)
    if body.startswith(b"{"):
        assert {"error", "error_description", "code"} <= json.loads(body).keys()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X-Filler: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: a\r\n" % at for at in range(50_000)) + b"\r\n",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 200,
        LOGIN + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000,
    ],
    ids=["a huge header", "many headers", "a huge path", "chunks without end", "a huge body"],
)
def test_what_is_huge_ends_in_an_answer_or_a_closed_connection(server: Server, request_bytes: bytes) -> None:
    with Raw(server) as raw:
        try:
            raw.send(request_bytes)
            status, _ = raw.answer()
        except ConnectionError:
            return

    assert status == 200 or 400 <= status < 500


def test_half_requests_and_slow_ones_hold_nobody_up(server: Server) -> None:
    halves = [
        b"POST /auth/lo",
        LOGIN,
        LOGIN + b"Content-Length: 50\r\n\r\n{",
        LOGIN + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ]
    clients = [Raw(server) for _ in range(100)]
    try:
        for number, raw in enumerate(clients):
            raw.send(halves[number % len(halves)])

        started = time.monotonic()
        with server.api() as api:
            pair = api.login("ada@example.com", PASSWORD)
            assert api.get("/auth/me", headers=bearer(pair["access_token"])).status == 200

        assert time.monotonic() - started < 5
    finally:
        for raw in clients:
            raw.close()


def test_a_body_in_drops_is_read_to_its_end(server: Server) -> None:
    body = json.dumps({"email": "ada@example.com", "password": PASSWORD}).encode()
    with Raw(server) as raw:
        raw.send(LOGIN + b"Content-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 8):
            raw.send(body[at : at + 8])
            time.sleep(0.01)
        status, _ = raw.answer()

    assert status == 200


def test_requests_in_a_row_on_one_connection_are_answered_in_their_order(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + ME + b"\r\n")
        first, _ = raw.answer()
        second, _ = raw.answer()

    assert [first, second] == [200, 401]


def test_clients_that_hang_up_in_the_middle_of_a_login_do_no_harm(server: Server) -> None:
    body = json.dumps({"email": "nobody@example.com", "password": PASSWORD}).encode()
    for _ in range(10):
        with Raw(server) as raw:
            raw.send(LOGIN + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    deadline = time.monotonic() + 20  # the hashes that they left behind are made to their end
    with server.api() as api:
        while api.post("/auth/login", {"email": "ada@example.com", "password": PASSWORD}).status != 200:
            assert time.monotonic() < deadline, "nobody else gets in"
            time.sleep(0.1)


class Raw:
    """A socket, and what comes back on it."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self.stream = self.socket.makefile("rb")
        self.send = self.socket.sendall

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def answer(self) -> tuple[int, bytes]:
        """Status and body of one answer; raises `ConnectionError` where there is none."""
        first = self.stream.readline()
        if not first:
            raise ConnectionError("closed")
        length = 0
        while (line := self.stream.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return int(first.split(b" ")[1]), self.stream.read(length)
