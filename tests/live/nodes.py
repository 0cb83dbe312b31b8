"""One installation of several nodes on one PostgreSQL: each a process of its own, ready to be killed."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.live.process import Server
from tests.servers.postgres import fresh_database

ISSUER = "https://auth.example.com"


def nodes_of(
    home: Path, count: int, *, database: str, each: tuple[dict[str, str], ...] = (), **settings: str
) -> tuple[Server, ...]:
    """Not started yet. `each`: settings of one node alone, such as another way to the database."""
    shared = {"ISSUER": ISSUER, "SECRET": secrets.token_urlsafe(32), "TRUSTED_PROXIES": "127.0.0.1"}
    found = []
    for number in range(count):
        own = each[number] if each else {}
        folder = home / f"node-{number}"
        folder.mkdir(parents=True)
        found.append(Server(folder, settings={**shared, "DATABASE_URL": database, **settings, **own}))
    return tuple(found)


@contextmanager
def installation(
    home: Path, count: int = 3, *, database: str | None = None, each: tuple[dict[str, str], ...] = (), **settings: str
) -> Iterator[tuple[Server, ...]]:
    """Started on a new database (or `database`), ready, and gone at the end."""
    nodes = nodes_of(home, count, database=database or fresh_database(), each=each, **settings)
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.stop)
        nodes[0].start()
        with ThreadPoolExecutor(count) as starters:
            list(starters.map(Server.start, nodes[1:]))
        yield nodes
