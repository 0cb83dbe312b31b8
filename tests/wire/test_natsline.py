"""A line to a real NATS server: credentials, TLS, servers that are none, and what is left when it is over."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from jotgate.errors import Unavailable
from jotgate.wire import feedbatch, natsline
from tests.guard import certificates
from tests.servers.nats import Nats, running_nats

pytestmark = pytest.mark.anyio
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Lines:
    """The lines that there were, and what was wrong with the others."""

    def __init__(self) -> None:
        self.open = 0
        self.troubles: list[str] = []
        self.end: BaseException | None = None

    async def work(self, line: Client) -> None:
        await line.flush()
        self.open += 1
        if self.end is not None:
            raise self.end
        await asyncio.Event().wait()


@asynccontextmanager
async def kept(*urls: str) -> AsyncIterator[Lines]:
    lines = Lines()
    task = asyncio.create_task(natsline.keep(urls, name="test", work=lines.work, trouble=lines.troubles.append))
    try:
        yield lines
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for is a server's
            await asyncio.sleep(0.01)


@pytest.fixture
def plain() -> Iterator[Nats]:
    with running_nats() as server:
        yield server


async def test_it_is_there_again_after_a_server_was_killed(plain: Nats) -> None:
    async with kept(plain.url) as lines:
        await until(lambda: lines.open == 1)
        plain.kill()
        await until(lambda: any("lost" in trouble for trouble in lines.troubles))
        plain.start()
        await until(lambda: lines.open == 2)


async def test_work_that_fails_is_done_again(plain: Nats) -> None:
    async with kept(plain.url) as lines:
        lines.end = ValueError("whatever it is")
        await until(lambda: lines.open == 3)
        lines.end = Unavailable("enough for a while", retry_after=3600)
        await until(lambda: "enough for a while" in lines.troubles)

    assert "ValueError: whatever it is" in lines.troubles


# --- who may connect


@pytest.mark.parametrize(
    ("options", "right", "wrong"),
    [
        (("--user", "guard", "--pass", "p@ss/w:rd"), "guard:p%40ss%2Fw%3Ard@", "guard:pass@"),
        (("--auth", "t/ken"), "t%2Fken@", ""),
    ],
)
async def test_credentials_come_with_the_url(options: tuple[str, ...], right: str, wrong: str) -> None:
    with running_nats(*options) as server:
        place = server.url.removeprefix("nats://")
        async with kept(f"nats://{wrong}{place}") as refused, kept(f"nats://{right}{place}") as lines:
            await until(lambda: lines.open == 1)
            await until(lambda: refused.troubles)

    assert refused.open == 0
    assert "Authorization Violation" in refused.troubles[0]
    assert "pass" not in refused.troubles[0]


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nats]:
    """With TLS; the certificate is known where `SSL_CERT_FILE` is read."""
    certificate, key = certificates.write(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with running_nats("--tls", "--tlscert", str(certificate), "--tlskey", str(key)) as server:
        yield server


@pytest.mark.parametrize("scheme", ["tls", "nats"])
async def test_tls_is_spoken_where_it_is_asked_for(certified: Nats, scheme: str) -> None:
    async with kept(certified.url.replace("nats", scheme)) as lines:
        await until(lambda: lines.open == 1)


async def test_a_certificate_that_nobody_knows_is_refused(certified: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    async with kept(certified.url.replace("nats", "tls")) as lines:
        await until(lambda: lines.troubles)

    assert lines.open == 0
    assert ssl.SSLCertVerificationError.__name__ in lines.troubles[0]


async def test_who_wants_tls_tells_no_password_to_a_server_without() -> None:
    said: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"auth_required":true}\r\n')
        said.append(await reader.read())
        writer.close()

    async with listening(answer) as port, kept(f"tls://guard:hunter2@127.0.0.1:{port}") as lines:
        await until(lambda: lines.troubles)
        await until(lambda: said)

    assert said[0] == b""
    assert "no TLS" in lines.troubles[0]


# --- servers that are none


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[int]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"INFO nothing\r\n",
        b"INFO []\r\n",
        b"a" * 200_000,
        b"INFO {}\r\n-ERR \r\n",
    ],
)
async def test_another_server_is_left_again(plain: Nats, greeting: bytes) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with listening(answer) as port, kept(f"nats://127.0.0.1:{port}", plain.url) as lines:
        await until(lambda: lines.open)


async def test_a_server_that_says_nothing_is_left_after_a_while(plain: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(natsline, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with kept(f"nats://127.0.0.1:{port}") as lines:
            await until(lambda: len(lines.troubles) >= 2)

    assert lines.open == 0


async def test_what_a_hung_server_does_not_take_is_let_go(plain: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buffers are full: closing in good order would wait for it."""
    monkeypatch.setattr(natsline, "_CLOSE_SECONDS", 0.3)
    written = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576}\r\n')
        await reader.readuntil(b"PING\r\n")
        writer.write(b"PONG\r\n")
        await written.wait()
        writer.transport.abort()

    async def work(line: Client) -> None:
        for _ in range(30):
            await line.publish("a", bytes(1_000_000))

    async with listening(answer) as port:
        troubles: list[str] = []
        task = asyncio.create_task(
            natsline.keep([f"nats://127.0.0.1:{port}"], name="test", work=work, trouble=troubles.append)
        )
        await until(lambda: troubles)
        task.cancel()
        async with asyncio.timeout(5):
            with suppress(asyncio.CancelledError):
                await task
        written.set()


async def test_the_permissions_in_the_documents_let_guards_hear_and_nodes_speak(tmp_path: Path) -> None:
    documents = (Path(__file__).parents[2] / "docs" / "nodes.md").read_text("utf-8")
    (configuration,) = re.findall(r"```conf\n(authorization .*?)```", documents, re.DOTALL)
    (tmp_path / "nats.conf").write_text(configuration)
    issuer = "https://auth.example.com"
    news, both = (feedbatch.subject(issuer, kind) for kind in (feedbatch.NEWS, feedbatch.EVERY))
    heard: list[bytes] = []

    async def hear(message: Msg) -> None:
        heard.append(message.data)

    async def speak(line: Client, what: bytes) -> None:
        await line.subscribe(news, cb=hear)
        while True:
            await line.publish(news, what)
            await asyncio.sleep(0.02)

    async def listen(line: Client) -> None:
        await line.subscribe(both, cb=hear)
        await speak(line, b"from a guard")

    with running_nats("-c", str(tmp_path / "nats.conf")) as server:
        place = server.url.removeprefix("nats://")
        troubles: dict[str, list[str]] = {"node": [], "guard": []}
        tasks = [
            asyncio.create_task(
                natsline.keep([f"nats://{who}:{who}-secret@{place}"], name=who, work=work, trouble=troubles[who].append)
            )
            for who, work in (("guard", listen), ("node", partial(speak, what=b"from a node")))
        ]
        await until(lambda: b"from a node" in heard)
        await until(lambda: troubles["guard"])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert set(heard) == {b"from a node"}
    assert troubles["node"] == []
    assert "permissions violation for publish" in troubles["guard"][0].lower()
