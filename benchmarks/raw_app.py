"""A raw ASGI handler: what a refresh costs when only its bare parts are there (no checks, no headers, no errors).

Run by uvicorn as `benchmarks.raw_app:app`: one `update ... returning` on SQLite in WAL, one signature, one JSON answer.
`RAW_DATABASE` names the file, `RAW_ALGORITHM` is ES256 or EdDSA.
"""

import base64
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from benchmarks.material import PRIMITIVES

Message = MutableMapping[str, Any]

ROTATE = "update sessions set generation = generation + 1, rotated_at = ? where id = ? returning generation, user_id"
algorithm = os.environ["RAW_ALGORITHM"]
sign = PRIMITIVES[algorithm]().sign
database = sqlite3.connect(os.environ["RAW_DATABASE"], isolation_level=None)
database.executescript(
    "pragma journal_mode=wal; pragma synchronous=normal;"
    "create table if not exists sessions (id text primary key, user_id text, generation integer, rotated_at integer)"
    " without rowid, strict;"
)
database.executemany(
    "insert or ignore into sessions values (?, ?, 0, 0)", [(f"raw-{at}", f"user-{at}") for at in range(64)]
)
encode, decode = msgspec.json.encode, msgspec.json.decode


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


HEADER = b64(encode({"alg": algorithm, "kid": "raw", "typ": "at+jwt"}))


def refresh(body: bytes) -> bytes:
    """The whole handler but for ASGI."""
    token, now = decode(body)["refresh_token"], int(time.time())
    generation, user = database.execute(ROTATE, (now, token)).fetchone()
    return minted(token, generation, user, now=now)


def minted(token: str, generation: int, user: str, *, now: int) -> bytes:
    """The answer with a signed access token."""
    claims = {"iss": "http://raw", "sub": user, "aud": ["http://raw"], "iat": now, "exp": now + 900, "jti": generation}
    data = HEADER + b"." + b64(encode(claims))
    signature = sign(data)
    if algorithm == "ES256":
        r, s = decode_dss_signature(signature)
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    access = (data + b"." + b64(signature)).decode()
    return encode({"access_token": access, "token_type": "Bearer", "expires_in": 900, "refresh_token": token})


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] != "http":
        return
    answer = refresh((await receive())["body"])
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
