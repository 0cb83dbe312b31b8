"""A real NATS server: from the wheel, one for each test process, or the one that JOTGATE_TEST_NATS names."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from tests.live.process import free_port

_GIVEN = "JOTGATE_TEST_NATS"


class Nats:
    """One server on a port of 127.0.0.1; it can be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.program = Path(sys.executable).with_name("nats-server")
        self.folder, self.options = folder, options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        command = [str(self.program), "-a", "127.0.0.1", "-p", str(self.port), *self.options]
        with (self.folder / "nats.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "nats.log").read_text()[-2000:]
            time.sleep(0.02)

    def kill(self) -> None:
        """-9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(4) == b"INFO"
        except OSError:
            return False


@contextmanager
def running_nats(*options: str) -> Iterator[Nats]:
    """One of one's own, to kill."""
    folder = Path(tempfile.mkdtemp(prefix="jotgate-nats-"))
    server = Nats(folder, *options)
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
    return stack.enter_context(running_nats()).url
