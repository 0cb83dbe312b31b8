"""Talking to the issuer: the limits of `jotgate.client.issuer`."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from jotgate.client.answers import Away, Heard, Silence
from jotgate.client.issuer import MAX_BYTES, Issuer
from jotgate.errors import Misuse
from tests.client.conftest import Client
from tests.client.wire import Fate, Wire, http
from tests.guard import certificates


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example.com", "http://10.0.0.1:8000", "ftp://x", "auth.example.com", "", "https://",
        "https://u:p@auth.example.com", "https://auth.example.com?x=1", "https://auth.example.com#x",
    ],
)  # fmt: skip
def test_passwords_go_to_https_or_loopback_alone(url: str) -> None:
    with pytest.raises(Misuse):
        Issuer(url)


@pytest.mark.parametrize("url", ["https://auth.example.com/", "http://localhost:8000", "http://[::1]:8000/"])
def test_slashes_at_the_end_are_none(url: str) -> None:
    assert Issuer(url, prefix="/auth/") == Issuer(url.rstrip("/"))


def test_nothing_follows_a_redirect(wire: Wire, client: Client) -> None:
    wire.fate = lambda _path, _number: http(307, b"", Location=f"{wire.url}/elsewhere")

    heard = client.issuer.post("/refresh", {"refresh_token": "secret"})

    assert isinstance(heard, Heard)
    assert heard.status == 307
    assert [one.path for one in wire.asked] == ["/auth/refresh"]


def test_no_proxy_sees_what_is_not_encrypted(wire: Wire, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert isinstance(client.issuer.post("/refresh", {"refresh_token": "x"}), Heard)


def test_a_proxy_of_the_environment_is_asked_for_https(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", wire.url)
    wire.fate = lambda _path, _number: Fate.REFUSE

    assert isinstance(Issuer("https://auth.example.com").post("/login", {}), Silence)
    assert [one.head.partition("\r\n")[0] for one in wire.asked] == ["CONNECT auth.example.com:443 HTTP/1.0"]


@pytest.mark.parametrize(("size", "expected"), [(MAX_BYTES, Heard), (MAX_BYTES + 1, Silence)])
def test_an_answer_has_a_size(wire: Wire, client: Client, size: int, expected: type[Any]) -> None:
    wire.fate = lambda _path, _number: http(200, b"x" * size)

    assert isinstance(client.issuer.post("/refresh", {}), expected)


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nabc"])
def test_what_is_no_whole_answer_is_silence(wire: Wire, client: Client, answer: bytes) -> None:
    wire.fate = lambda _path, _number: answer

    heard = client.issuer.post("/refresh", {})

    assert isinstance(heard, Silence)
    assert wire.url in heard.why


def test_nobody_there_is_silence() -> None:
    heard = Issuer("http://127.0.0.1:9").post("/refresh", {})

    assert isinstance(heard, Silence)
    assert "ConnectionRefusedError" in heard.why


class _NoContent(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_said: Any) -> None:
        pass


@contextmanager
def secured(certificate: Path, key: Path) -> Iterator[str]:
    """A server behind TLS; its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), _NoContent) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_tls_is_verified_and_the_callers_context_is_used(tmp_path: Path) -> None:
    certificate, key = certificates.write(tmp_path)

    with secured(certificate, key) as url:
        strange = Issuer(url).post("/logout", {})
        known = Issuer(url, tls=ssl.create_default_context(cafile=certificate)).post("/logout", {})

    assert isinstance(strange, Silence)
    assert "SSLCertVerificationError" in strange.why
    assert isinstance(known, Heard)
    assert known.status == 204


@contextmanager
def dripping() -> Iterator[str]:
    """A server whose answer comes a byte at a time, and has no end."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            line, _ = server.accept()
            with line, suppress(OSError):
                line.sendall(b"HTTP/1.1 200 X\r\n\r\n")
                while True:
                    line.sendall(b"x")
                    time.sleep(0.05)

        thread = Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_an_answer_in_drops_does_not_go_on_for_ever() -> None:
    with dripping() as url:
        started = time.monotonic()
        heard = Issuer(url, timeout_seconds=0.3).post("/refresh", {})

    assert isinstance(heard, Silence)
    assert time.monotonic() - started < 10


def test_who_asks_again_waits_longer_each_time_and_not_for_ever(client: Client) -> None:
    asked: list[float] = []

    def ask() -> Away:
        asked.append(time.monotonic())
        return Away("away", again=True)

    outcome = Issuer("https://x.example", patience_seconds=1.2).persevere(ask)

    gaps = [after - before for before, after in pairwise(asked)]
    assert outcome == Away("away", again=True)
    assert 1 <= len(gaps) <= 4
    assert all(0.1 <= gap <= 1.2 for gap in gaps)


@pytest.mark.parametrize("outcome", [Away("no", again=False), Away("later", retry_after=300, again=True), None])
def test_what_cannot_help_is_not_asked_again(outcome: Away | None) -> None:
    asked: list[int] = []

    def ask() -> Away | None:
        asked.append(1)
        return outcome

    assert Issuer("https://x.example").persevere(ask) is outcome
    assert len(asked) == 1
