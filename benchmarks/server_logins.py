"""Logins a second and core beside other servers; what a hash costs is a choice, so each row names its hash."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median

import psutil

from benchmarks.contestants import FORM, Asked, Peer, Play, python_peer
from benchmarks.databases import SQLALCHEMY, Databases
from benchmarks.over_http import PASSWORD, SERVER_CORE, Round, jotgate, player, take_turns
from benchmarks.report import Row

TASK = "login over HTTP, one core, PostgreSQL"
CLIENTS = 5
ASKED = Asked("/auth/login", f'{{"email":"TOKEN","password":"{PASSWORD}"}}', refreshing=False)
HASHES = {
    "jotgate": "Argon2id, 19 MiB, 2 passes; a refresh token as well",
    "fastapi-users": "Argon2id, 64 MiB, 3 passes; it has no refresh tokens",
    "simplejwt": "PBKDF2, Django's number of rounds; a refresh token as well",
}
PEERS = (
    Peer(
        "fastapi-users",
        "fastapi_users",
        Asked("/auth/jwt/login", f"username=TOKEN&password={PASSWORD.replace(' ', '+')}", FORM, refreshing=False),
        server="uvicorn",
        names=tuple(f"user-{at}@example.com" for at in range(CLIENTS)),
    ),
    Peer(
        "simplejwt",
        "simplejwt",
        Asked("/api/token/", f'{{"username":"TOKEN","password":"{PASSWORD}"}}', refreshing=False),
        names=tuple(f"login-{at}" for at in range(CLIENTS)),
    ),
)


def logins(databases: Databases, *, seconds: float, rounds: int) -> list[Row]:
    """A row for each server."""
    with ExitStack() as stack:
        players = {"jotgate": _jotgate(stack, databases)}
        for peer in PEERS:
            players[peer.who] = stack.enter_context(python_peer(peer, databases.fresh(driver=SQLALCHEMY)))
        return rows_of(take_turns(players, rounds=rounds, seconds=seconds))


def _jotgate(stack: ExitStack, databases: Databases) -> Play:
    server = stack.enter_context(jotgate(SERVER_CORE, DATABASE_URL=databases.fresh()))
    emails = [f"user-{at}@example.com" for at in range(CLIENTS)]
    with server.api() as api:
        for email in emails:
            api.register(email, PASSWORD)
    return player(ASKED.job(server.port, emails), psutil.Process(server.pid))


def rows_of(seen: Mapping[str, Sequence[Round]]) -> list[Row]:
    """The medians."""
    rows = []
    for who, turns in seen.items():
        cpu, rate = (median(getattr(turn, name) for turn in turns) for name in ("cpu", "rate"))
        rows.append(Row(TASK, who, cpu, rate=rate, note=HASHES[who]))
    return rows
