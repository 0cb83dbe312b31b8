"""The raw ASGI handler on PostgreSQL: the same statement by asyncpg, the same signature, the same answer.

Run by uvicorn as `benchmarks.raw_postgres_app:app`; `RAW_POSTGRES` is the URL of an empty database, `RAW_DATABASE` is
`:memory:` (the handler on SQLite is imported for its parts), `RAW_ALGORITHM` as there.
"""

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from benchmarks.raw_app import Message, decode, minted, people, swap
from jotgate.store import migrate, sessions
from jotgate.store.postgres_sql import translated

CONNECTIONS = 10
ROTATE = translated(sessions.ROTATE)
pools: list[Any] = []  # asyncpg has no types


async def nothing(_connection: object) -> None:
    """No RESET between two users of a connection."""


async def start() -> None:
    """The pool, and the tables with people in them."""
    pool = await asyncpg.create_pool(
        os.environ["RAW_POSTGRES"], min_size=CONNECTIONS, max_size=CONNECTIONS, reset=nothing
    )
    for step in migrate.steps("postgres"):
        for statement in step.statements:
            await pool.execute(statement)
    for user, session in people(64, int(time.time())):
        for table, row in (("users", user), ("sessions", session)):
            values = ", ".join(f"${at + 1}" for at in range(len(row)))
            await pool.execute(f"insert into {table} values ({values})", *row)
    pools.append(pool)


async def refresh(body: bytes) -> bytes:
    """The whole handler but for ASGI."""
    token, now = decode(body)["refresh_token"], int(time.time())
    return minted(await pools[0].fetchrow(ROTATE, *swap(token, now)), token, now)


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
