"""Other people's programs: found or skipped with a reason, set up by the files in `deploy/`, started and stopped."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
START_SECONDS = 20.0  # what a crowded machine may take
HOW = {
    "haproxy": "apt-get install haproxy",
    "nginx": "apt-get install nginx",
    "caddy": "apt-get install caddy",
    "envoy": "make interop",
    "traefik": "make interop",
}


def program(name: str) -> str:
    """Its path; skips visibly where it is not installed."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.skip(f"{name} is not on this machine ({HOW[name]}): it is not asked")
    return found


def configured(name: str, target: Path, changes: Mapping[str, str]) -> Path:
    """The file of `deploy/` as a user would adapt it: each text that is to be changed must be there."""
    text = (DEPLOY / name).read_text("utf-8")
    for old, new in changes.items():
        assert old in text, f"deploy/{name} does not hold {old}"
        text = text.replace(old, new)
    path = target / name
    path.write_text(text, "utf-8")
    return path


@contextmanager
def running(*command: str, port: int, home: Path) -> Iterator[None]:
    """The program, from when it takes connections."""
    log = home / "log"
    environ = os.environ | dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(home))
    with log.open("ab") as out:
        process = subprocess.Popen(command, env=environ, cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _await(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"it does not listen:\n{log.read_text(errors='replace')[-3000:]}")
