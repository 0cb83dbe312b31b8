"""GET with limits, against servers that keep to none."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest

from jotgate.errors import Unavailable
from jotgate.guard.fetch import Fetched, Line
from tests.guard import certificates
from tests.guard.standin import wait_for

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A raw server: every connection is served by `serve`, one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                serve(connection)

    thread = Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def once(answer: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return serve


def get(url: str, *, seconds: float = 5.0, max_bytes: int = 1000) -> Fetched:
    line = Line(urlsplit(url))
    try:
        return line.get("/", headers={}, seconds=seconds, max_bytes=max_bytes)
    finally:
        line.close()


def test_an_answer_comes_whole() -> None:
    with listening(once(OK)) as url:
        assert get(url) == Fetched(200, b"hi")


def test_what_is_asked_for_is_plain_json() -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(OK)

    with listening(serve) as url:
        line = Line(urlsplit(url))
        line.get("/keys?x=1", headers={"Authorization": "Bearer t"}, seconds=5, max_bytes=10)
        line.close()

    request = heard[0].lower()
    assert request.startswith(b"get /keys?x=1 http/1.1\r\n")
    assert b"accept-encoding: identity" in request
    assert b"authorization: bearer t" in request


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff" * 100,
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_a_bad_answer_is_unavailable(answer: bytes) -> None:
    with listening(once(answer)) as url, pytest.raises(Unavailable) as caught:
        get(url)

    assert caught.value.detail


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000 + b"0\r\n",
        b"HTTP/1.1 200 OK\r\n",
    ],
    ids=["a chunk of a negative size", "trailers", "headers"],
)
def test_no_more_is_read_than_an_answer_may_have(head: bytes) -> None:
    sent: list[int] = []

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        while len(sent) < 1000:
            connection.sendall(b"x: " + b"y" * 60_000 + b"\r\n")
            sent.append(60_005)

    with listening(serve) as url, pytest.raises(Unavailable):
        get(url)

    assert sum(sent) < 20_000_000


def test_a_redirect_is_an_answer_like_any_other() -> None:
    with listening(once(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")) as url:
        assert get(url) == Fetched(302, b"")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(Unavailable, match="ConnectionRefused"):
        get(f"http://127.0.0.1:{port}")


def test_a_name_that_is_no_host() -> None:
    with pytest.raises(Unavailable):
        get("https://" + "a" * 70 + ".invalid")


def test_plain_http_is_no_https() -> None:
    with listening(once(OK)) as url, pytest.raises(Unavailable):
        get(url.replace("http:", "https:"))


@pytest.fixture
def encrypting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on https whose certificate this process trusts."""
    certificate, key = certificates.write(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            while request := encrypted.recv(65536):
                if not request.startswith(b"GET /wait"):
                    encrypted.sendall(OK)

    with listening(serve) as url:
        yield url.replace("http:", "https:")


def test_https_is_spoken_and_the_connection_kept(encrypting: str) -> None:
    line = Line(urlsplit(encrypting))

    answers = [line.get("/", headers={}, seconds=5, max_bytes=10) for _ in range(3)]

    assert answers == [Fetched(200, b"hi")] * 3
    line.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        get(encrypting)


def test_a_certificate_for_another_name_is_refused(encrypting: str) -> None:
    with pytest.raises(Unavailable, match="not valid for 'localhost'"):
        get(encrypting.replace("127.0.0.1", "localhost"))


def test_hanging_up_ends_an_encrypted_get_too(encrypting: str) -> None:
    line = Line(urlsplit(encrypting))
    line.get("/", headers={}, seconds=5, max_bytes=10)
    failures: list[Unavailable] = []

    def wait() -> None:
        with pytest.raises(Unavailable) as caught:
            line.get("/wait", headers={}, seconds=30, max_bytes=10)
        failures.append(caught.value)

    thread = Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    line.close()
    thread.join(10)

    assert not thread.is_alive()
    assert len(failures) == 1


def test_an_answer_in_drops_ends_at_the_deadline() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    with listening(serve) as url, pytest.raises(Unavailable, match=r"Timeout|too long|timed out"):
        get(url, seconds=0.4)


def test_a_deadline_that_is_over_reads_nothing() -> None:
    with listening(once(OK)) as url, pytest.raises(Unavailable, match="too long"):
        get(url, seconds=-1.0)


def test_a_connection_is_used_again() -> None:
    connections: list[int] = []

    def serve(connection: socket.socket) -> None:
        connections.append(1)
        while connection.recv(65536):
            connection.sendall(OK)

    with listening(serve) as url:
        line = Line(urlsplit(url))
        for _ in range(3):
            assert line.get("/", headers={}, seconds=5, max_bytes=10).body == b"hi"
        line.close()

    assert len(connections) == 1


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    with listening(once(OK)) as url:  # one answer for each connection, and no word about closing it
        line = Line(urlsplit(url))
        answers = [line.get("/", headers={}, seconds=5, max_bytes=10).body for _ in range(3)]
        line.close()

    assert answers == [b"hi"] * 3


def test_a_server_that_says_close_is_asked_anew() -> None:
    with listening(once(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))) as url:
        line = Line(urlsplit(url))
        answers = [line.get("/", headers={}, seconds=5, max_bytes=10).body for _ in range(2)]
        line.close()

    assert answers == [b"hi"] * 2


def test_hanging_up_ends_a_get_that_waits() -> None:
    asked: list[int] = []
    failures: list[Unavailable] = []

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        asked.append(1)
        connection.recv(65536)

    with listening(serve) as url:
        line = Line(urlsplit(url))

        def wait() -> None:
            try:
                line.get("/", headers={}, seconds=30, max_bytes=10)
            except Unavailable as error:
                failures.append(error)

        thread = Thread(target=wait)
        thread.start()
        wait_for(lambda: bool(asked))
        line.close()
        thread.join(10)

    assert not thread.is_alive()
    assert len(failures) == 1


def test_a_closed_line_opens_no_connection() -> None:
    with listening(once(OK)) as url:
        line = Line(urlsplit(url))
        line.close()

        with pytest.raises(Unavailable):
            line.get("/", headers={}, seconds=5, max_bytes=10)


def test_what_is_asked_ahead_is_asked_once() -> None:
    asked: list[bytes] = []
    ahead = Event()

    def serve(connection: socket.socket) -> None:
        for _ in range(3):
            asked.append(connection.recv(65536).split(b" ")[1])
            connection.sendall(OK)
            if len(asked) == 2:
                ahead.set()

    with listening(serve) as url:
        line = Line(urlsplit(url))
        line.ask_ahead("/early", headers={})  # there is no connection yet: nothing happens
        line.get("/1", headers={}, seconds=5, max_bytes=10)
        line.ask_ahead("/2", headers={})
        assert ahead.wait(10)
        for target in ("/2", "/3"):
            assert line.get(target, headers={}, seconds=5, max_bytes=10) == Fetched(200, b"hi")
        line.close()

    assert asked == [b"/1", b"/2", b"/3"]


def test_the_answer_to_another_question_is_nobodys() -> None:
    def serve(connection: socket.socket) -> None:
        for _ in range(2):
            once(OK)(connection)

    with listening(serve) as url:
        line = Line(urlsplit(url))
        line.get("/1", headers={}, seconds=5, max_bytes=10)
        line.ask_ahead("/2", headers={})

        assert line.get("/3", headers={}, seconds=5, max_bytes=10) == Fetched(200, b"hi")
        line.close()


def test_what_was_asked_ahead_of_a_server_that_is_gone_is_asked_anew() -> None:
    with listening(once(OK)) as url:
        line = Line(urlsplit(url))
        line.get("/1", headers={}, seconds=5, max_bytes=10)
        line.ask_ahead("/2", headers={})

        assert line.get("/2", headers={}, seconds=5, max_bytes=10) == Fetched(200, b"hi")
        line.close()


def test_asking_ahead_on_a_broken_line_is_no_matter() -> None:
    with listening(once(OK)) as url:
        line = Line(urlsplit(url))
        line.get("/1", headers={}, seconds=5, max_bytes=10)
        held = line._connection
        assert held is not None
        held.sock.close()

        line.ask_ahead("/2", headers={})

        assert line.get("/2", headers={}, seconds=5, max_bytes=10) == Fetched(200, b"hi")
        line.close()
