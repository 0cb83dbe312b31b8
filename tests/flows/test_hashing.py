"""The hashing pool: right and wrong, places and shares, who goes away, what comes after the answer."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import argon2
import pytest

from jotgate.core.passwords import Argon2, parse_phc
from jotgate.errors import Busy
from jotgate.flows.hashing import HashingPool, _Job, cores
from tests.flows.world import CHEAP

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pool() -> AsyncIterator[HashingPool]:
    opened = HashingPool(CHEAP, threads=1, waiting_for_each=7)
    yield opened
    await opened.close()


class Gate:
    """Work that waits in its thread until the test opens it."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> bool:
        self.entered.set()
        return self.opened.wait(10)


async def held(pool: HashingPool, network: str, work: Callable[[], bool]) -> asyncio.Task[bool]:
    task = asyncio.create_task(pool._in_thread(network, work))
    await asyncio.sleep(0)
    return task


# --- right and wrong


async def test_a_hash_is_the_passwords_own(pool: HashingPool) -> None:
    phc = await pool.hash("four geese over the mill", "a")

    assert parse_phc(phc) == CHEAP
    assert await pool.verify(phc, "four geese over the mill", "a")
    assert not await pool.verify(phc, "five geese over the mill", "a")
    assert argon2.PasswordHasher().verify(phc, "four geese over the mill")


async def test_todays_hash_is_not_outdated_and_others_are(pool: HashingPool) -> None:
    phc = await pool.hash("four geese over the mill", "a")

    assert not pool.outdated(phc)
    assert pool.outdated(phc.replace("m=8", "m=16"))


async def test_nobody_has_a_hash_of_the_same_cost() -> None:
    pool = HashingPool(threads=1)

    assert parse_phc(pool._nobody) == Argon2()
    assert not await pool.verify(None, "", "a")
    await pool.close()


@pytest.mark.parametrize(
    ("variant", "lanes", "salt"),
    [(argon2.Type.ID, 1, 16), (argon2.Type.ID, 4, 16), (argon2.Type.I, 1, 16), (argon2.Type.ID, 1, 64)],
)
async def test_hashes_of_others_are_checked(pool: HashingPool, variant: argon2.Type, lanes: int, salt: int) -> None:
    hasher = argon2.PasswordHasher(3, 64, lanes, salt_len=salt, hash_len=64 if salt > 16 else 32, type=variant)
    phc = hasher.hash("geese")

    assert await pool.verify(phc, "geese", "a")
    assert not await pool.verify(phc, "goose", "a")


@pytest.mark.parametrize(
    "phc", ["", "nonsense", "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA"]
)
async def test_a_damaged_or_costly_hash_is_nobodys(
    pool: HashingPool, phc: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert not await pool.verify(phc, "geese", "a")

    assert "nobody's" in caplog.text
    assert phc == "" or phc not in caplog.text


async def test_any_text_can_be_tried(pool: HashingPool) -> None:
    phc = await pool.hash("geese", "a")

    for password in ("", "\0", "\ud800", "x" * 100_000):
        assert not await pool.verify(phc, password, "a")


# --- places


async def test_past_its_places_the_pool_says_so_at_once(pool: HashingPool) -> None:
    gate = Gate()
    tasks = [await held(pool, f"network {number}", gate) for number in range(8)]

    with pytest.raises(Busy) as busy:
        await pool.verify(None, "geese", "another network")

    assert busy.value.retry_after == 1
    gate.opened.set()
    assert all(await asyncio.gather(*tasks))
    assert not await pool.verify(None, "geese", "another network")


async def test_a_network_holds_a_quarter_of_the_places(pool: HashingPool) -> None:
    gate = Gate()
    tasks = [await held(pool, "junk", gate) for _ in range(2)]

    with pytest.raises(Busy):
        await pool.hash("geese", "junk")
    other = asyncio.create_task(pool.hash("geese", "honest"))

    gate.opened.set()
    await asyncio.gather(*tasks, other)
    assert await pool.hash("geese", "junk")


async def test_every_network_has_at_least_one_place() -> None:
    pool = HashingPool(CHEAP, threads=1, waiting_for_each=0)

    assert await pool.hash("geese", "a")
    await pool.close()


async def test_while_many_wait_results_are_told_in_eights() -> None:
    pool = HashingPool(CHEAP, threads=1, waiting_for_each=20)
    gate, worked, told = Gate(), [], []

    def work() -> bool:
        worked.append(gate())
        return True

    async def wait(network: str) -> None:
        await pool._in_thread(network, work)
        told.append(len(worked))

    tasks = [asyncio.create_task(wait(f"network {number}")) for number in range(12)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(*tasks)
    await pool.close()

    assert all(at_least <= seen for at_least, seen in zip([*[8] * 8, *[11] * 3, 12], told, strict=True))


async def test_what_is_done_is_told_when_others_took_the_rest(pool: HashingPool) -> None:
    class Crowded(SimpleQueue[_Job | None]):
        def qsize(self) -> int:
            return 99

    pool._jobs = Crowded()

    phc = await pool.hash("geese", "a")

    assert await pool.verify(phc, "geese", "a")


async def test_who_goes_away_keeps_the_place_until_the_thread_is_done(pool: HashingPool) -> None:
    gate = Gate()
    task = await held(pool, "a", gate)
    await asyncio.to_thread(gate.entered.wait, 10)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pool._held["a"] == 1

    gate.opened.set()
    await pool.hash("geese", "b")  # the one thread has come to it, so the first is done
    assert pool._held["a"] == 0


async def test_who_goes_away_before_it_began_costs_no_work(pool: HashingPool) -> None:
    gate, done = Gate(), list[bool]()

    def work() -> bool:
        done.append(True)
        return True

    running, queued = await held(pool, "a", gate), await held(pool, "b", work)

    queued.cancel()
    gate.opened.set()
    await running
    await pool.hash("geese", "c")

    assert done == []
    assert pool._held["b"] == 0


async def test_what_goes_wrong_in_a_thread_is_told_to_who_waits(pool: HashingPool) -> None:
    def work() -> bool:
        raise MemoryError

    with pytest.raises(MemoryError):
        await pool._in_thread("a", work)

    assert await pool.hash("geese", "a")


async def test_a_pool_that_is_closed_has_no_places(pool: HashingPool) -> None:
    await pool.hash("geese", "a")

    await pool.close()

    with pytest.raises(Busy):
        await pool.hash("geese", "a")


# --- threads


def test_there_are_as_many_slots_as_cores() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("199999 100000", 1), ("99900000 100000", None)],
)
def test_a_container_has_the_cores_that_it_is_limited_to(tmp_path: Path, quota: str, expected: int | None) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    found = cores(tmp_path / "none")

    assert cores(tmp_path / "cpu.max") == (expected or found)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have their own priority on Linux alone")
async def test_hash_threads_give_way(pool: HashingPool) -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here, there = priority(), await pool._in_thread("a", priority)

    assert there == min(19, here + 10)
    assert priority() == here


async def test_priorities_can_be_left_alone() -> None:
    pool = HashingPool(CHEAP, threads=1, nicer=0)

    there = await pool._in_thread("a", partial(os.getpriority, os.PRIO_PROCESS, 0))

    assert there == os.getpriority(os.PRIO_PROCESS, 0)
    await pool.close()


# --- afterwards


async def test_closing_waits_for_what_was_left_to_do(pool: HashingPool) -> None:
    done = []

    async def work() -> None:
        await pool.hash("geese", "a")
        done.append(True)

    pool.afterwards(work())
    await pool.close()

    assert done == [True]


async def test_what_fails_afterwards_is_logged(pool: HashingPool, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise Busy("no place")

    with caplog.at_level(logging.WARNING):
        pool.afterwards(work())
        await pool.close()

    assert "work after an answer failed: no place" in caplog.text


async def test_what_is_cancelled_afterwards_is_nobodys_business(
    pool: HashingPool, caplog: pytest.LogCaptureFixture
) -> None:
    pool.afterwards(asyncio.sleep(60))
    next(iter(pool._later)).cancel()

    await pool.close()

    assert caplog.text == ""
