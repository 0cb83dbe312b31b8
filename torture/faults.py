"""The faults, each a context that breaks something and puts it right again.

kind                    what is broken                                             outage
----                    --------------                                             ------
node killed             -9 of any node; started again                              with SQLite
postgres killed         -9 of the postmaster; started again                        yes
postgres restarted      its fast shutdown, as when a primary moves                 yes
valkey killed           -9; started again, empty                                   no
valkey flushed          FLUSHALL                                                   no
valkey hangs            SIGSTOP: it takes connections and answers nothing          no
nats killed             -9; started again                                          no
one node cut off        the network of one node to the database (see `link`)       no
all nodes cut off       the same of all nodes                                      yes
slow network            every packet to and from the database is late              no
disk full               no room beside the SQLite file (see `disk`)                no
slow disk               each fdatasync and fsync is held back (see `disk`)         no
database locked         another process holds SQLite's write lock                  no
"""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

from torture import disk
from torture.link import CUTS, Link
from torture.world import World

Breaking = Callable[[World], AbstractAsyncContextManager[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """`often`: how many of them come before all kinds start over. `seconds`: the shortest and the longest."""

    name: str
    breaking: Breaking
    often: int = 1
    seconds: tuple[float, float] = (0.3, 3.0)
    outage: bool = False


@asynccontextmanager
async def _node_killed(world: World) -> AsyncIterator[str]:
    number = world.dice.randrange(len(world.nodes))
    await asyncio.to_thread(world.nodes[number].kill)
    yield f"node {number + 1}"
    await asyncio.to_thread(world.nodes[number].start)


@asynccontextmanager
async def _postgres_killed(world: World) -> AsyncIterator[str]:
    assert world.postgres
    await asyncio.to_thread(world.postgres.kill)
    yield ""
    await asyncio.to_thread(world.postgres.start)


@asynccontextmanager
async def _postgres_restarted(world: World) -> AsyncIterator[str]:
    assert world.postgres
    await asyncio.to_thread(world.postgres.stop)
    yield ""
    await asyncio.to_thread(world.postgres.start)


@asynccontextmanager
async def _valkey_killed(world: World) -> AsyncIterator[str]:
    assert world.valkey
    await asyncio.to_thread(world.valkey.kill)
    yield ""
    await asyncio.to_thread(world.valkey.start)


@asynccontextmanager
async def _valkey_flushed(world: World) -> AsyncIterator[str]:
    assert world.valkey
    await asyncio.to_thread(world.valkey.flush)
    yield ""


@asynccontextmanager
async def _valkey_hangs(world: World) -> AsyncIterator[str]:
    assert world.valkey
    assert world.valkey.process
    world.valkey.process.send_signal(signal.SIGSTOP)
    try:
        yield ""
    finally:
        world.valkey.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def _nats_killed(world: World) -> AsyncIterator[str]:
    assert world.nats
    await asyncio.to_thread(world.nats.kill)
    yield ""
    await asyncio.to_thread(world.nats.start)


@asynccontextmanager
async def _one_cut_off(world: World) -> AsyncIterator[str]:
    number = world.dice.randrange(len(world.links))
    async with _cut(world, [world.links[number]]) as how:
        yield f"node {number + 1}, {how}"


@asynccontextmanager
async def _all_cut_off(world: World) -> AsyncIterator[str]:
    async with _cut(world, list(world.links)) as how:
        yield how


@asynccontextmanager
async def _cut(world: World, links: list[Link]) -> AsyncIterator[str]:
    how = world.dice.choice(CUTS)
    for link in links:
        link.cut(how)
    try:
        yield how
    finally:
        for link in links:
            link.heal()


@asynccontextmanager
async def _slow_network(world: World) -> AsyncIterator[str]:
    delay = world.dice.uniform(0.005, 0.02)
    for link in world.links:
        link.delay = delay
    try:
        yield f"{delay * 1000:.0f} ms"
    finally:
        for link in world.links:
            link.delay = 0.0


@asynccontextmanager
async def _disk_full(world: World) -> AsyncIterator[str]:
    assert world.disk
    with world.disk.full(world.nodes[0].pid):
        yield "" if world.disk.small else "by a limit on its files"


@asynccontextmanager
async def _slow_disk(world: World) -> AsyncIterator[str]:
    seconds = world.dice.uniform(0.05, 0.4)
    async with disk.slow(world.nodes[0].pid, seconds=seconds):
        yield f"{seconds * 1000:.0f} ms"


@asynccontextmanager
async def _locked(world: World) -> AsyncIterator[str]:
    assert world.disk
    path = world.disk.path / "data" / "jotgate.db"
    async with AsyncExitStack() as stack:
        database = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None, timeout=10)))
        database.execute("begin immediate")
        yield ""
        database.execute("rollback")


POSTGRES = (
    Kind("node killed", _node_killed, often=3, seconds=(0.0, 1.0)),
    Kind("postgres killed", _postgres_killed, often=3, seconds=(0.0, 2.0), outage=True),
    Kind("postgres restarted", _postgres_restarted, seconds=(0.0, 1.0), outage=True),
    Kind("one node cut off", _one_cut_off, often=3, seconds=(0.5, 4.0)),
    Kind("all nodes cut off", _all_cut_off, often=2, seconds=(0.5, 4.0), outage=True),
    Kind("slow network", _slow_network),
    Kind("valkey killed", _valkey_killed),
    Kind("valkey flushed", _valkey_flushed, seconds=(0.0, 0.0)),
    Kind("valkey hangs", _valkey_hangs),
    Kind("nats killed", _nats_killed),
)
SQLITE = (
    Kind("node killed", _node_killed, often=2, seconds=(0.0, 1.0), outage=True),
    Kind("disk full", _disk_full, often=2),
    Kind("slow disk", _slow_disk, often=2),
    Kind("database locked", _locked, seconds=(0.3, 3.0)),
)
