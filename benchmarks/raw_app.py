"""A raw ASGI handler: what a refresh costs when only its bare parts are there (no checks, no headers, no errors).

Run by uvicorn as `benchmarks.raw_app:app`: the same `update ... returning` on the same tables of SQLite in WAL, one
signature over the same claims, an answer with the same fields. `RAW_DATABASE` names the file, `RAW_ALGORITHM` is ES256
or EdDSA. A refresh token is `session.generation.seed`, and nobody looks who made it.
"""

import base64
import hashlib
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from benchmarks.material import PRIMITIVES
from jotgate.core import ids
from jotgate.store import migrate, sessions

Message = MutableMapping[str, Any]

ISSUER, CLIENT, LIFE = "http://127.0.0.1:8000", "jotgate", 2_592_000
SEED = bytes(16)
algorithm = os.environ["RAW_ALGORITHM"]
sign = PRIMITIVES[algorithm]().sign
database = sqlite3.connect(os.environ["RAW_DATABASE"], isolation_level=None)
encode, decode = msgspec.json.encode, msgspec.json.decode


def people(count: int, now: int) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """As many users, each with a session: the rows of `users` and of `sessions`."""
    for number in range(count):
        name = f"{number:032x}"
        facts = (CLIENT, ISSUER, None, 0, -1, hashlib.sha256(SEED).digest(), now, now, now + LIFE, LIFE, "pwd")
        user = (name, number, f"raw-{number}@example.com", None, "Raw", None, now, now, None)
        yield user, (name, number, number, name, *facts, "benchmarks.load", "127.0.0.1", None, None)


def fill(count: int, now: int) -> None:
    """The tables, with people in them."""
    database.executescript("pragma journal_mode=wal; pragma synchronous=normal; begin")
    for step in migrate.steps("sqlite"):
        for statement in step.statements:
            database.execute(statement)
    for user, session in people(count, now):
        for table, row in (("users", user), ("sessions", session)):
            database.execute(f"insert into {table} values ({', '.join('?' * len(row))})", row)
    database.execute("commit")


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


HEADER = b64(encode({"alg": algorithm, "kid": "raw", "typ": "at+jwt"}))


def refresh(body: bytes) -> bytes:
    """The whole handler but for ASGI."""
    token, now = decode(body)["refresh_token"], int(time.time())
    return minted(database.execute(sessions.ROTATE, swap(token, now)).fetchone(), token, now)


def swap(token: str, now: int) -> tuple[Any, ...]:
    """What the statement is given."""
    session, generation, seed = token.split(".")
    proof, current = hashlib.sha256(bytes.fromhex(seed)).digest(), int(generation)
    return current + 1, current, now, ids.number(session), session, current, proof, CLIENT, now, now


def minted(row: Sequence[Any], token: str, now: int) -> bytes:
    """What is answered when the row has changed."""
    session, generation, seed = token.split(".")
    (_, user, client, audience, _, opened_at, amr, expires_at, idle_seconds, epoch, *_, roles, scope) = row
    claims = {
        "iss": ISSUER,
        "sub": user,
        "aud": audience.split(),
        "iat": now,
        "exp": now + 900,
        "jti": b64(os.urandom(16)).decode(),
        "client_id": client,
        "sid": session,
        "roles": roles.split() if roles else [],
        "epoch": epoch,
        "auth_time": opened_at,
        "amr": [amr],
    }
    data = HEADER + b"." + b64(encode(claims))
    signature = sign(data)
    if algorithm == "ES256":
        r, s = decode_dss_signature(signature)
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    answer = {
        "access_token": (data + b"." + b64(signature)).decode(),
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": f"{session}.{int(generation) + 1}.{seed}",
        "refresh_expires_in": min(expires_at - now, idle_seconds),
        "scope": scope or "",
    }
    return encode(answer)


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] != "http":
        return
    answer = refresh((await receive())["body"])
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


fill(64, int(time.time()))
