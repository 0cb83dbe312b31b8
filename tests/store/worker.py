"""Other processes for the store's tests: `python -m tests.store.worker JOB DATABASE ARGUMENT`."""

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from jotgate.errors import Unavailable
from jotgate.store import audit, feed, postgres, sessions
from jotgate.store.migrate import Step, migrate, steps
from jotgate.store.ports import Store, Tx
from jotgate.store.sqlite import open_store
from jotgate.wire.feed import Entry

ROOT = Path(__file__).parents[2]


@contextmanager
def working(job: str, database: Path | str, argument: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process at work; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.worker", job, str(database), argument],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def says(process: subprocess.Popen[str]) -> str:
    """Its next line."""
    assert process.stdout
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    """Let it go on."""
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


def say(text: object) -> None:
    print(text, flush=True)


async def opened(database: str) -> Store:
    """Of a file or at a URL."""
    return await postgres.open_store(database) if database.startswith("postgres") else open_store(database)


async def hold(database: str, argument: str) -> None:
    """Hold the write lock until told; with `exclusive` nobody else may even read."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(f"begin {argument or 'immediate'}")
    say("held")
    sys.stdin.readline()
    connection.execute("rollback")
    connection.close()
    say("released")


async def bring_up(database: str, argument: str) -> None:
    """Open and migrate once told; ARGUMENT: so many steps more than there are."""
    say("ready")
    sys.stdin.readline()
    store = await opened(database)
    known = steps(store.dialect)
    last = known[-1].number
    more = [Step(last + n, "later", (f"create table later_{n} (id text)",)) for n in range(1, int(argument or 0) + 1)]
    say(await migrate(store, now=1, entropy=os.urandom, known=(*known, *more)))
    await store.close()


async def close_sessions(database: str, argument: str) -> None:
    """Close sessions FIRST-LAST, each with an entry, and number at once."""
    first, last = map(int, argument.split("-"))
    store = await opened(database)
    await store.read().one("select 1")
    say("ready")
    sys.stdin.readline()
    for number in range(first, last):

        async def close(tx: Tx, number: int = number) -> None:
            if await sessions.close(tx, f"{number:032x}", "logout", 1):
                await feed.append(tx, [Entry("sid", number.to_bytes(16, "big"), None, 2**40)])

        await until_it_works(store, close)
        await until_it_works(store, feed.sequence)
    await store.close()
    say("done")


async def until_it_works(store: Store, work: Callable[[Tx], Awaitable[object]]) -> None:
    """On a crowded machine PostgreSQL may be late."""
    while True:
        with suppress(Unavailable):
            await store.write(work)
            return


async def rotate(database: str, argument: str) -> None:
    """Rotate one session from generation 0, as often as ARGUMENT says; say how often it worked."""
    store = await opened(database)
    await store.read().one("select 1")
    say("ready")
    sys.stdin.readline()
    won = 0
    for generation in range(int(argument)):
        grant = await sessions.rotate(
            store.swap(),
            session_id=f"{1:032x}",
            generation=generation,
            seed_hash=bytes(range(32)),
            client_id="jotgate",
            now=1_800_000_000,
        )
        won += grant is not None
        await asyncio.sleep(0)
    await store.close()
    say(won)


async def write(database: str, argument: str) -> None:
    """Write numbered lines for ever, several at once; say each one's number when it is durable."""
    store = await opened(database)
    next_number = iter(range(10**9))

    async def one_after_the_other() -> None:
        while True:
            number = next(next_number)
            await store.write(partial(audit.append, event="line", now=number))
            say(number)

    await asyncio.gather(*(one_after_the_other() for _ in range(4)))


async def fill(database: str, argument: str) -> None:
    """Write until files may not grow any more, then with room again."""
    store = open_store(database)
    await migrate(store, now=1, entropy=os.urandom)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    written = 0
    try:
        while True:
            async with store.begin() as tx:
                await audit.append(tx, "line", now=written, detail="x" * 500)
            written += 1
    except Unavailable:
        say("full")
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    async with store.begin() as tx:
        await audit.append(tx, "line", now=written, detail="x" * 500)
    row = await store.read().one("select count(*), max(at) from audit")
    say("all there" if row == (written + 1, written) else row)
    await store.close()


JOBS: dict[str, Callable[[str, str], Awaitable[None]]] = {
    job.__name__: job for job in (hold, bring_up, close_sessions, rotate, write, fill)
}


async def main(job: str, database: str, argument: str) -> None:
    await JOBS[job](database, argument)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
