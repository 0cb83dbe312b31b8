"""PostgreSQL on opening: what is wrong, and what to do about it, in one sentence that gives no password away."""

import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from jotgate.errors import DatabaseUnusable
from jotgate.store.migrate import migrate
from jotgate.store.postgres import open_store
from tests.servers.postgres import Postgres, fresh_database, running_postgres
from tests.store.rows import NOW

pytestmark = pytest.mark.anyio

PASSWORD = "the-password-in-the-url"


@pytest.fixture(scope="module")
def strict() -> Iterator[Postgres]:
    """A server that wants a password, and TLS of some."""
    with running_postgres("--fsync=off", "--max_connections=5", "--superuser_reserved_connections=3") as server:
        lines = ["local all all trust", "host all postgres all trust", "hostssl all encrypted all scram-sha-256"]
        (server.data / "pg_hba.conf").write_text("\n".join([*lines, "host all known all scram-sha-256", ""]))
        server.stop()
        server.start()
        yield server


def at(server: Postgres, user: str, *, database: str = "postgres", query: str = "") -> str:
    return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{server.port}/{database}{query}"


async def do(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def refused(url: str) -> str:
    with pytest.raises(DatabaseUnusable) as refusal:
        await open_store(url)
    assert PASSWORD not in str(refusal.value)
    return str(refusal.value)


async def test_a_wrong_password(strict: Postgres) -> None:
    await do(strict.url, "create role known login password 'another'")

    assert "user and password in JOTGATE_DATABASE_URL" in await refused(at(strict, "known"))


async def test_a_user_whom_the_server_does_not_let_in(strict: Postgres) -> None:
    for user in ("stranger", "encrypted"):
        assert "sslmode=require" in await refused(at(strict, user, query="?sslmode=disable"))


async def test_tls_that_the_server_does_not_have(strict: Postgres) -> None:
    assert "sslmode" in await refused(at(strict, "postgres", query="?sslmode=require"))


async def test_no_such_database(strict: Postgres) -> None:
    assert "CREATE DATABASE" in await refused(at(strict, "postgres", database="nowhere"))


async def test_no_connection_left(strict: Postgres) -> None:
    await do(strict.url, "create role crowd login password 'x'")
    (strict.data / "pg_hba.conf").write_text("host all all all trust\n")
    strict.stop()
    strict.start()
    crowd = [await asyncpg.connect(at(strict, "crowd")) for _ in range(2)]

    assert "max_connections" in await refused(at(strict, "crowd"))

    for one in crowd:
        await one.close()


async def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]

    assert "see that it runs" in await refused(f"postgresql://jotgate:{PASSWORD}@127.0.0.1:{port}/jotgate")


async def test_somebody_else_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]

        assert "firewall" in await refused(f"postgresql://jotgate:{PASSWORD}@127.0.0.1:{port}/jotgate")


async def test_no_such_host() -> None:
    assert "JOTGATE_DATABASE_URL" in await refused(f"postgresql://jotgate:{PASSWORD}@nowhere.invalid/jotgate")


@pytest.mark.parametrize("query", ["?sslmode=sometimes", "?target_session_attrs=any-old"])
async def test_a_url_that_says_what_there_is_not(query: str) -> None:
    assert "DATABASE_URL" in await refused(f"postgresql://jotgate:{PASSWORD}@127.0.0.1/jotgate{query}")


async def test_a_parameter_that_no_session_may_choose() -> None:
    assert "leave that parameter out" in await refused(f"{fresh_database()}?max_connections=3")


async def test_a_database_with_another_encoding() -> None:
    url = fresh_database()
    name = urlsplit(url).path[1:]
    await do(url, f"create database {name}_latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")

    assert "ENCODING 'UTF8'" in await refused(f"{url}_latin")


async def test_a_schema_that_may_not_be_used() -> None:
    url = fresh_database()
    user = f"user_of_{urlsplit(url).path[1:]}"
    await do(url, f"create role {user} login", "revoke create on schema public from public")
    store = await open_store(
        urlunsplit(urlsplit(url)._replace(netloc=f"{user}@{urlsplit(url).netloc.rpartition('@')[2]}"))
    )

    with pytest.raises(DatabaseUnusable, match="CREATE in its schema"):
        await migrate(store, now=NOW, entropy=bytes)

    await store.close()


async def test_a_schema_that_is_not_there() -> None:
    store = await open_store(f"{fresh_database()}?search_path=elsewhere")

    with pytest.raises(DatabaseUnusable, match="make the schema first"):
        await migrate(store, now=NOW, entropy=bytes)

    await store.close()
