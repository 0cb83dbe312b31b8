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
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from benchmarks.material import PRIMITIVES
from jotgate.store import migrate, sessions

Message = MutableMapping[str, Any]

ISSUER, CLIENT, LIFE = "http://127.0.0.1:8000", "jotgate", 2_592_000
SEED = bytes(16)
algorithm = os.environ["RAW_ALGORITHM"]
sign = PRIMITIVES[algorithm]().sign
database = sqlite3.connect(os.environ["RAW_DATABASE"], isolation_level=None)
encode, decode = msgspec.json.encode, msgspec.json.decode


def fill(count: int, now: int) -> None:
    """As many users, each with a role and a session."""
    database.executescript("pragma journal_mode=wal; pragma synchronous=normal; begin")
    for step in migrate.steps("sqlite"):
        for statement in step.statements:
            database.execute(statement)
    for number in range(count):
        name = f"{number:032x}"
        user = (name, f"raw-{number}@example.com", None, "Raw", None, now, now, None)
        database.execute("insert into users values (?, ?, ?, ?, ?, ?, ?, ?)", user)
        facts = (CLIENT, ISSUER, None, 0, -1, hashlib.sha256(SEED).digest(), now, now, now + LIFE, LIFE, "pwd")
        row = (name, name, *facts, "benchmarks.load", "127.0.0.1", None, None)
        database.execute(f"insert into sessions values ({', '.join('?' * len(row))})", row)
    database.execute("commit")


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


HEADER = b64(encode({"alg": algorithm, "kid": "raw", "typ": "at+jwt"}))


def refresh(body: bytes) -> bytes:
    """The whole handler but for ASGI."""
    token, now = decode(body)["refresh_token"], int(time.time())
    session, text, seed = token.split(".")
    generation, proof = int(text), hashlib.sha256(bytes.fromhex(seed)).digest()
    row = database.execute(
        sessions.ROTATE, (generation + 1, generation, now, session, generation, proof, CLIENT, now, now)
    ).fetchone()
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
        "refresh_token": f"{session}.{generation + 1}.{seed}",
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
