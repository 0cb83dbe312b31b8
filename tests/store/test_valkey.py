"""How Valkey is reached: with a password, by TLS, as a cluster; and what is said when it cannot be."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from jotgate.core.throttle import Limit
from jotgate.errors import SettingsError
from jotgate.store.migrate import migrate
from jotgate.store.ports import Store
from jotgate.store.sqlite import open_store
from jotgate.store.valkey import connect, connect_to_one, hang_up
from tests.guard import certificates
from tests.servers.valkey import cluster_url, running_cluster, running_valkey, server_url
from tests.store.guesses import wrong
from tests.store.rows import NOW
from tests.store.valkeys import node, until, until_there, until_told

pytestmark = pytest.mark.anyio

LIMITS = [Limit(b"key", 3, 1000.0)]


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = open_store(":memory:")
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port", "redis+cluster://", "rediss://127.0.0.1?db=many"])
def test_a_url_that_says_nothing_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="JOTGATE_REDIS_URL"):
        connect(url)


async def test_a_password_is_given_and_never_said(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with running_valkey("--requirepass", "long-and-secret") as server:
        right = f"redis://:long-and-secret@127.0.0.1:{server.port}/0"
        async with node(store, right) as throttle:
            await until_told(throttle)
        assert caplog.messages == []

        async with node(store, right.replace("long-and", "not-so")) as throttle:
            assert await wrong(throttle, LIMITS) == 0
            assert not throttle._there

    (message,) = caplog.messages
    assert "AuthenticationError" in message
    assert "secret" not in message


@asynccontextmanager
async def by_tls(url: str, certificate: Path, key: Path) -> AsyncIterator[int]:
    """A port at which the server, which has no TLS in the wheel, is to be had by TLS."""
    behind = urlsplit(url)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(behind.hostname, behind.port)
        await asyncio.gather(pass_on(reader, requests), pass_on(answers, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_who_has_the_certificate_is_trusted_and_nobody_else(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = certificates.write(tmp_path)
    async with by_tls(server_url(), certificate, key) as port:
        url = f"rediss://127.0.0.1:{port}"
        async with node(store, f"{url}?ssl_ca_certs={certificate}") as throttle:
            await until_told(throttle)
        assert caplog.messages == []

        async with node(store, url) as throttle:
            assert await wrong(throttle, LIMITS) == 0
            assert not throttle._there

    assert "CERTIFICATE_VERIFY_FAILED" in caplog.messages[0]


async def test_a_cluster_that_lost_servers_is_away_until_they_are_back(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jotgate.valkey")
    with running_cluster() as cluster:
        async with node(store, cluster.url) as throttle:
            await until_told(throttle)
            assert await wrong(throttle, LIMITS) == 0
            for server in cluster.servers[1:]:
                server.kill()
            await until(lambda: "cluster_state:fail" in cluster.servers[0].ask("CLUSTER", "INFO"))

            assert [await wrong(throttle, LIMITS) for _ in range(2)] == [0, 0]
            assert await wrong(throttle, LIMITS) > 0
            assert not throttle._there

            for server in cluster.servers[1:]:
                server.start()
            await until_there(throttle)
            assert await wrong(throttle, LIMITS) > 0

    assert [message.split(",")[0] for message in caplog.messages] == ["Valkey is away", "Valkey is back"]


async def test_news_in_a_cluster_go_by_any_of_its_servers() -> None:
    ports = set()
    for _ in range(30):
        client = await connect_to_one(cluster_url())
        ports.add(client.connection_pool.connection_kwargs["port"])
        await hang_up(client)

    assert len(ports) == 3
