"""The throttle in memory: what it keeps. What it counts is held by `test_throttles.py`."""

import pytest

from jotgate.core.throttle import Limit
from jotgate.store.memory import MemoryThrottle
from tests.store.guesses import right, wrong

pytestmark = pytest.mark.anyio


def limit(key: bytes) -> Limit:
    return Limit(key, burst=1000, seconds=10.0)


def now() -> float:
    return 1000.0


async def test_the_table_is_bounded() -> None:
    throttle = MemoryThrottle(capacity=100, clock=now)

    for number in range(1000):
        await wrong(throttle, [limit(number.to_bytes(4, "big"))])

    assert len(throttle) <= 100


async def test_a_flood_of_new_keys_does_not_hide_one_that_goes_on_failing() -> None:
    throttle = MemoryThrottle(capacity=100, clock=now)

    for number in range(1000):
        await wrong(throttle, [limit(number.to_bytes(4, "big"))])
        if number % 40 == 0:
            await wrong(throttle, [limit(b"guesser")])

    assert await throttle.wait([Limit(b"guesser", burst=1, seconds=10.0)]) == 250


async def test_a_key_that_fails_again_is_kept_once() -> None:
    throttle = MemoryThrottle(capacity=4, clock=now)

    for key in (b"a", b"b", b"c", b"a"):
        await wrong(throttle, [limit(key)])

    assert len(throttle) == 3
    assert await throttle.wait([Limit(b"a", burst=1, seconds=10.0)]) == 20


async def test_who_never_failed_is_not_in_the_table() -> None:
    throttle = MemoryThrottle(clock=now)

    await wrong(throttle, [limit(b"failed before")])
    await right(throttle, [limit(b"right at once"), limit(b"failed before")])

    assert len(throttle) == 1
