"""The throttle in memory."""

import pytest

from jotgate.core.throttle import Limit
from jotgate.store.memory import MemoryThrottle

pytestmark = pytest.mark.anyio

NOW = 1000.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def limit(key: bytes, *, burst: int = 1, seconds: float = 10.0) -> Limit:
    return Limit(key, burst, seconds)


async def test_nobody_waits_who_never_failed() -> None:
    throttle = MemoryThrottle(clock=Clock())

    assert await throttle.wait([limit(b"a")]) == 0
    assert await throttle.wait([]) == 0


async def test_failures_are_counted_by_key() -> None:
    throttle = MemoryThrottle(clock=Clock())

    await throttle.fail([limit(b"a")])

    assert await throttle.wait([limit(b"a")]) == 10
    assert await throttle.wait([limit(b"b")]) == 0


async def test_the_longest_wait_counts() -> None:
    throttle = MemoryThrottle(clock=Clock())

    await throttle.fail([limit(b"a"), limit(b"b", seconds=60.0)])

    assert await throttle.wait([limit(b"a"), limit(b"b", seconds=60.0)]) == 60


async def test_time_heals() -> None:
    clock = Clock()
    throttle = MemoryThrottle(clock=clock)

    await throttle.fail([limit(b"a")])

    clock.now = NOW + 9.9
    assert await throttle.wait([limit(b"a")]) == 1
    clock.now = NOW + 10
    assert await throttle.wait([limit(b"a")]) == 0


async def test_the_table_is_bounded() -> None:
    throttle = MemoryThrottle(capacity=100, clock=Clock())

    for number in range(1000):
        await throttle.fail([limit(number.to_bytes(4, "big"))])

    assert len(throttle) <= 100


async def test_a_flood_of_new_keys_does_not_hide_one_that_goes_on_failing() -> None:
    throttle = MemoryThrottle(capacity=100, clock=Clock())

    for number in range(1000):
        await throttle.fail([limit(number.to_bytes(4, "big"))])
        if number % 40 == 0:
            await throttle.fail([limit(b"guesser")])

    assert await throttle.wait([limit(b"guesser")]) == 250


async def test_a_key_that_fails_again_is_kept_once() -> None:
    throttle = MemoryThrottle(capacity=4, clock=Clock())

    for key in (b"a", b"b", b"c", b"a"):
        await throttle.fail([limit(key)])

    assert len(throttle) == 3
    assert await throttle.wait([limit(b"a")]) == 20
