"""The raw ASGI handler on PostgreSQL: one `update ... returning` by asyncpg, one signature, one JSON answer.

Run by uvicorn as `benchmarks.raw_postgres_app:app`, with lifespan; `RAW_POSTGRES` is the URL of an empty database, the
rest is as for `raw_app`.
"""

import os
import time
from collections.abc import Awaitable, Callable

import asyncpg

from benchmarks.raw_app import Message, decode, minted

CONNECTIONS = 8
TABLE = "create table sessions (id text primary key, user_id text, generation integer, rotated_at integer)"
FILL = "insert into sessions select 'raw-' || at, 'user-' || at, 0, 0 from generate_series(0, 63) at"
ROTATE = "update sessions set generation = generation + 1, rotated_at = $1 where id = $2 returning generation, user_id"
pools: list["asyncpg.Pool[asyncpg.Record]"] = []


async def keep(_connection: object) -> None:
    """Nothing to put back when a connection is released: no RESET round trip."""


async def start() -> None:
    """The pool, the table and its rows."""
    opened = await asyncpg.create_pool(
        os.environ["RAW_POSTGRES"], min_size=CONNECTIONS, max_size=CONNECTIONS, reset=keep
    )
    for statement in (TABLE, FILL):
        await opened.execute(statement)
    pools.append(opened)


async def refresh(body: bytes) -> bytes:
    """The whole handler but for ASGI."""
    token, now = decode(body)["refresh_token"], int(time.time())
    generation, user = await pools[0].fetchrow(ROTATE, now, token)
    return minted(token, generation, user, now=now)


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    answer = await refresh((await receive())["body"])
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def lifespan(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Start, then wait for the end."""
    while (await receive())["type"] == "lifespan.startup":
        await start()
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
