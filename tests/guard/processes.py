"""An application behind a server in a process of its own, as people run it; found by what the server says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.guard.standin import wait_for

_LISTENS = re.compile(r"(?:Listening at:|Uvicorn running on|Running on) (http://127\.0\.0\.1:\d+)")


@contextmanager
def running(home: Path, *command: str, **environment: str) -> Iterator[str]:
    """`python -m COMMAND` in the folder, on any free port; its URL. It is stopped at the end."""
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=home,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(lambda: process.poll() is not None or _LISTENS.search(log.read_text()) is not None, 60)
        found = _LISTENS.search(log.read_text())
        assert found, log.read_text()
        yield found[1]
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(30)
