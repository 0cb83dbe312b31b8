"""Each server of the comparison: started on core 0 with sessions in it, and played by the load generator on core 1.

All take the load in the same way: 32 connections that are kept, each refreshing its own session again and again. The
peers in Python run under gunicorn with two workers, as Flask's documentation starts it (twice the number of cores);
one of them also with threads, which keep connections open. A database commits without waiting for the disk, for them
as for our own rotation.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import psutil

from benchmarks.load import Job
from benchmarks.over_http import CONNECTIONS, SERVER_CORE, Round, networks, player, wait_for
from benchmarks.pinned import pinned
from tests.live.process import free_port

Play = Callable[[float], Round]

FORM = "application/x-www-form-urlencoded"
GRANT = "grant_type=refresh_token&client_id=bench&refresh_token=TOKEN"
FOLDER = Path(__file__).parent / "server_peers"
WORKERS = ("--workers", "2")
THREADS = ("--workers", "1", "--worker-class", "gthread", "--threads", "4")
TUNED = ", threads"


class LeftOutError(Exception):
    """Why a contestant cannot take part on this machine."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a server wants to be asked, in the generator's words."""

    path: str
    template: str
    content_type: str = "application/json"
    headers: str = ""
    field: str = "refresh_token"
    refreshing: bool = True

    def job(self, port: int, tokens: list[str]) -> Job:
        """The generator's job; `player` says how long."""
        return Job(
            port, self.path, [], networks(len(tokens)), seconds=1, refreshing=self.refreshing, tokens=tokens,
            template=self.template, content_type=self.content_type, headers=self.headers, field=self.field,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Peer:
    """A server in Python that `server_peers` sets up."""

    who: str
    module: str
    asked: Asked
    server: str = "gunicorn"
    names: tuple[str, ...] = ()  # what is sent instead of the tokens that it prepares


BLOCKING = Asked("/refresh", "", headers="Authorization: Bearer TOKEN\r\n")
REFRESHING = (
    Peer("Authlib", "authlib", Asked("/oauth/token", GRANT, FORM)),
    Peer("Flask-JWT-Extended", "flask_jwt_extended", BLOCKING),
    Peer(f"Flask-JWT-Extended{TUNED}", "flask_jwt_extended", BLOCKING, server="gunicorn with threads"),
    Peer("simplejwt", "simplejwt", Asked("/api/token/refresh/", '{"refresh":"TOKEN"}', field="refresh")),
)


@contextmanager
def python_peer(peer: Peer, database: str) -> Iterator[Play]:
    """A server in Python on a database whose URL is as SQLAlchemy writes it."""
    module, port = f"benchmarks.server_peers.{peer.module}", free_port()
    environment = os.environ | {"PEER_DATABASE": database, "PEER_SECRET": secrets.token_hex(32)}
    prepare = [sys.executable, "-m", module, str(CONNECTIONS)]
    prepared = subprocess.run(prepare, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    with _running(SERVERS[peer.server](f"{module}:application", port), environment) as process:
        wait_for(port)
        tokens = list(peer.names) or json.loads(prepared.stdout)
        yield player(peer.asked.job(port, tokens), psutil.Process(process.pid))


def _gunicorn(app: str, port: int, workers: tuple[str, ...] = WORKERS) -> list[str]:
    where = [app, "--bind", f"127.0.0.1:{port}", "--no-control-socket", "--log-level", "error"]
    return [sys.executable, "-m", "gunicorn", *where, *workers]


def _uvicorn(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "error"]


SERVERS: dict[str, Callable[[str, int], list[str]]] = {
    "gunicorn": _gunicorn,
    "gunicorn with threads": lambda app, port: _gunicorn(app, port, THREADS),
    "uvicorn": _uvicorn,
}


@contextmanager
def raw(app: str, **environment: str) -> Iterator[Play]:
    """A bare ASGI handler under uvicorn."""
    port = free_port()
    with _running(_uvicorn(app, port), os.environ | {"RAW_ALGORITHM": "ES256"} | environment) as process:
        wait_for(port)
        asked = Asked("/auth/refresh", '{"refresh_token":"TOKEN"}')
        tokens = [f"{at:032x}.0.{bytes(16).hex()}" for at in range(CONNECTIONS)]
        yield player(asked.job(port, tokens), psutil.Process(process.pid))


@contextmanager
def oidc_provider(redis_url: str | None = None) -> Iterator[Play]:
    """npm oidc-provider on its in-memory adapter, or in a Valkey; raises `LeftOutError`."""
    if reason := npm_obstacle():
        raise LeftOutError(reason)
    port = free_port()
    environment = os.environ | {"NODE_ENV": "production"} | ({"PEER_REDIS": redis_url} if redis_url else {})
    command = ["node", str(FOLDER / "oidc_provider.mjs"), str(port), str(CONNECTIONS)]
    with _running(command, environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        tokens = _printed(process.stdout)
        yield player(Asked("/token", GRANT, FORM).job(port, tokens), psutil.Process(process.pid))


def _printed(said: IO[bytes]) -> list[str]:
    """The list among the lines: the package prints advice as well."""
    for line in said:
        with suppress(json.JSONDecodeError):
            tokens: list[str] = json.loads(line)
            return tokens
    raise LeftOutError("oidc-provider did not start")


@cache
def npm_obstacle() -> str | None:
    """Why oidc-provider cannot be measured; nothing once `npm ci` has put it beside its file, which git ignores."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "left out: there is no node and npm here"
    if (FOLDER / "node_modules" / "oidc-provider" / "package.json").is_file():
        return None
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    installed = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    return f"left out: npm ci failed: {installed.stderr.strip()[-120:]}" if installed.returncode else None


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], *, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(pinned(SERVER_CORE, *command), env=environment, stdout=stdout)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
