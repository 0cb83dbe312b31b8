"""`jotgate serve` as a process of its own: started, found ready, stopped or killed by its id."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.live.talk import Api, NoAnswerError

READY_SECONDS = 20.0  # what a crowded machine may take; what is really taken is measured by its own test
STOP_SECONDS = 15.0
# Below the range that outgoing connections draw from, so that nobody takes the port while a server restarts.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port on which nobody listens."""
    for port in random.SystemRandom().sample(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port among 200")


class Server:
    """One data directory and one port; the process on them can come and go."""

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None, wrap: tuple[str, ...] = ()) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = home / "data"
        self.log = home / "server.log"
        self.wrap = wrap
        chosen = {"PORT": str(self.port), "DATA_DIR": str(self.data_dir), "REGISTRATION": "open"}
        own = {name: value for name, value in os.environ.items() if not name.startswith("JOTGATE_")}
        given = chosen | dict(settings or {})
        self.environment = own | {f"JOTGATE_{name}": value for name, value in given.items()}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> float:
        """Start the process and wait until it is ready; gives the seconds that took."""
        command = [*self.wrap, sys.executable, "-m", "jotgate", "serve"]
        started = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_ready(started + READY_SECONDS)
        return time.monotonic() - started

    def _wait_until_ready(self, deadline: float) -> None:
        assert self.process is not None
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                with self.api(timeout=2) as api:
                    if api.get("/readyz").status == 200:
                        return
            except NoAnswerError:
                time.sleep(0.01)
        raise AssertionError(f"the server was not ready in time:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End it as a power cut would: no handler runs."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to stop and wait for that; gives the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(sign)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the server did not stop:\n{self.log.read_text()}") from None

    def api(self, *, timeout: float = 10.0) -> Api:
        """A connection to it."""
        return Api(self.port, timeout=timeout)

    def beside(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A `jotgate` command at work beside the server, on the same data directory."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "jotgate", *arguments]
            return subprocess.Popen(command, env=self.environment, cwd=self.home, stdout=log, stderr=log)

    def cli(self, *arguments: str, given: str = "") -> str:
        """Run a `jotgate` command beside the server, on the same data directory; gives what it prints."""
        command = [sys.executable, "-m", "jotgate", *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=self.home, input=given, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def cli_json(self, *arguments: str) -> Any:
        """The same for commands that list."""
        return json.loads(self.cli(*arguments, "--json"))


@contextmanager
def serving(home: Path, *, wrap: tuple[str, ...] = (), **settings: str) -> Iterator[Server]:
    """A server that is ready, and gone at the end; `settings` without their JOTGATE_."""
    server = Server(home, settings=settings, wrap=wrap)
    try:
        server.start()
        yield server
    finally:
        server.stop()
