"""What is tortured: real servers, the networks between them, guards, and the load's view of it all.

world       nodes                                database                         beside it
-----       -----                                --------                         ---------
postgres    three, each by a network of its own  one PostgreSQL, fsync on         Valkey; NATS where nodes use it
sqlite      one                                  a file on a small disk           -
"""

import asyncio
import random
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.process import Server
from tests.live.talk import Api
from tests.servers.nats import Nats, running_nats
from tests.servers.postgres import Postgres, running_postgres
from tests.servers.valkey import Valkey, running_valkey
from torture import door
from torture.allowance import STRICT, STRICT_STALENESS_SECONDS
from torture.caller import Place, password
from torture.disk import Disk, small_disk
from torture.guarding import Service, service
from torture.history import History
from torture.link import Link, linked, to
from torture.lives import ADMINISTRATOR, Crowd

_NODES = 3


@dataclass(slots=True)
class World:
    """One of them, running. What a world has not, its faults do not need."""

    history: History
    dice: random.Random
    nodes: Sequence[Server]
    guards: Sequence[Service]
    issuer: str
    links: Sequence[Link] = ()  # node by node, to the database
    postgres: Postgres | None = None
    valkey: Valkey | None = None
    nats: Nats | None = None
    disk: Disk | None = None
    deaths: list[str] = field(default_factory=list)  # of nodes that nobody killed

    @property
    def places(self) -> list[Place]:
        """The nodes as clients see them."""
        return [Place(f"node {number}", node.port) for number, node in enumerate(self.nodes, 1)]

    @property
    def services(self) -> list[Place]:
        """The guarded services as clients see them."""
        return [Place(guard.name, guard.port) for guard in self.guards]

    async def revive(self) -> None:
        """Start who has ended by itself, and count that."""
        for node in self.nodes:
            if node.process is None or node.process.poll() is not None:
                self.deaths.append(node.log.read_text()[-500:])
                await asyncio.to_thread(node.start)


@asynccontextmanager
async def on_postgres(crowd: Crowd, dice: random.Random) -> AsyncIterator[World]:
    """Three nodes on one PostgreSQL and one Valkey."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jotgate-torture-")))
        postgres = await asyncio.to_thread(stack.enter_context, running_postgres())
        valkey = await asyncio.to_thread(stack.enter_context, running_valkey())
        nats = await asyncio.to_thread(stack.enter_context, running_nats())
        links = [await stack.enter_async_context(linked(to(postgres.port))) for _ in range(_NODES)]
        shared = {"REDIS_URL": valkey.url, "NATS_URL": nats.url, "SECRET": secrets.token_urlsafe(48)}
        settings = [
            {**shared, "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{link.port}/postgres"} for link in links
        ]
        nodes, guards, issuer = await _started(stack, home, settings, crowd=crowd)
        history = History("postgres")
        yield World(history, dice, nodes, guards, issuer, links, postgres=postgres, valkey=valkey, nats=nats)


@asynccontextmanager
async def on_sqlite(crowd: Crowd, dice: random.Random) -> AsyncIterator[World]:
    """One node with a file on a small disk."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jotgate-torture-")))
        small = stack.enter_context(small_disk(home / "disk"))
        settings = [{"DATA_DIR": str(small.path / "data")}]
        nodes, guards, issuer = await _started(stack, home, settings, crowd=crowd)
        yield World(History("sqlite"), dice, nodes, guards, issuer, disk=small)


async def _started(
    stack: AsyncExitStack, home: Path, settings: Sequence[Mapping[str, str]], *, crowd: Crowd
) -> tuple[list[Server], list[Service], str]:
    nodes = [_node(home / f"node-{number}", one) for number, one in enumerate(settings, 1)]
    entrance = await stack.enter_async_context(door.opened([node.port for node in nodes]))
    issuer = f"http://127.0.0.1:{entrance.port}"
    for node in nodes:
        node.environment["JOTGATE_ISSUER"] = issuer
        stack.callback(node.kill)
    await asyncio.gather(*(asyncio.to_thread(node.start) for node in nodes))
    await asyncio.to_thread(_settle, nodes[0].port, crowd.users)
    guards = [
        stack.enter_context(service("guard", issuer=issuer)),
        stack.enter_context(
            service(STRICT, issuer=issuer, on_stale="deny", max_staleness=int(STRICT_STALENESS_SECONDS))
        ),
    ]
    await asyncio.gather(*(guard.ready() for guard in guards))
    return nodes, guards, issuer


def _node(home: Path, settings: Mapping[str, str]) -> Server:
    home.mkdir()
    root = {"ADMIN_EMAIL": f"{ADMINISTRATOR}@example.com", "ADMIN_PASSWORD": password(0)}
    return Server(home, settings={"TRUSTED_PROXIES": "127.0.0.1", "ISSUER": "http://127.0.0.1", **root, **settings})


def _settle(port: int, users: Sequence[str]) -> None:
    """They make their accounts."""
    with Api(port, timeout=30) as api:
        for number, user in enumerate(users):
            body = {"email": f"{user}@example.com", "password": password(0)}
            answer = api.post("/auth/register", body, headers={"X-Forwarded-For": f"172.16.0.{number}"})
            assert answer.status == 201, answer
