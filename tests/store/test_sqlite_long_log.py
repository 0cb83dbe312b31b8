"""A log that has grown long: it is copied into the database, and its room is there again."""

import subprocess
import sys
from pathlib import Path

# A process of its own: the limit on the size of files is one of the whole process, and stays.
WRITER = """
import asyncio, resource, sys, time
from jotgate.errors import Unavailable
from jotgate.store.sqlite import open_store

async def main():
    store = open_store(sys.argv[1])
    async with store.begin() as tx:
        await tx.run("create table counts (id integer primary key, n integer)")
        await tx.run("insert into counts values (1, 0)")
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    refused, deadline = 0, time.monotonic() + 30
    for _ in range(300):
        while time.monotonic() < deadline:
            try:
                await store.swap().run("update counts set n = n + 1 where id = ?", 1)
                break
            except Unavailable:
                refused += 1
                await asyncio.sleep(0.01)
    print(refused > 0, (await store.read().one("select n from counts"))[0])
    await store.close()

asyncio.run(main())
"""

LIFE = """
import asyncio, os, sys
from jotgate.store.sqlite import open_store

async def main():
    store = open_store(sys.argv[1])
    await store.swap().run("create table if not exists counts (id integer primary key, n integer)")
    await store.swap().run("insert into counts values (1, 0) on conflict do nothing")
    while store._copying:
        await asyncio.sleep(0.01)
    for _ in range(1500):
        await store.swap().run("update counts set n = n + 1 where id = ?", 1)
        await asyncio.sleep(0)
    os._exit(0)  # killed: nobody copies anything at the end

asyncio.run(main())
"""


def test_a_log_does_not_grow_over_the_lives_of_a_process_that_is_killed_again_and_again(tmp_path: Path) -> None:
    database = tmp_path / "data" / "jotgate.db"
    lengths = []

    for _ in range(4):
        subprocess.run([sys.executable, "-c", LIFE, str(database)], timeout=120, check=True)
        lengths.append(database.with_name("jotgate.db-wal").stat().st_size)

    assert lengths[-1] < 2 * lengths[0]


def test_a_log_that_fills_the_disk_makes_room_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "data" / "jotgate.db")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    assert done.stdout.split() == ["True", "300"]
