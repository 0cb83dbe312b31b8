"""A log that grows until the disk is full: it is copied into the database, and its room is there again."""

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


def test_a_log_that_fills_the_disk_makes_room_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "data" / "jotgate.db")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    assert done.stdout.split() == ["True", "300"]
