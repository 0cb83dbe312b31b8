"""The throttle in memory."""

import pytest

from jotgate.core.throttle import Limit
from jotgate.store.memory import MemoryThrottle

pytestmark = pytest.mark.anyio

NOW = 1000.0


def limit(key: bytes, *, burst: int = 1, seconds: float = 10.0) -> Limit:
    return Limit(key, burst, seconds)


async def test_nobody_waits_who_never_failed() -> None:
    throttle = MemoryThrottle()

    assert await throttle.wait([limit(b"a")], now=NOW) == 0
    assert await throttle.wait([], now=NOW) == 0


async def test_failures_are_counted_by_key() -> None:
    throttle = MemoryThrottle()

    await throttle.fail([limit(b"a")], now=NOW)

    assert await throttle.wait([limit(b"a")], now=NOW) == 10
    assert await throttle.wait([limit(b"b")], now=NOW) == 0


async def test_the_longest_wait_counts() -> None:
    throttle = MemoryThrottle()

    await throttle.fail([limit(b"a"), limit(b"b", seconds=60.0)], now=NOW)

    assert await throttle.wait([limit(b"a"), limit(b"b", seconds=60.0)], now=NOW) == 60


async def test_time_heals() -> None:
    throttle = MemoryThrottle()

    await throttle.fail([limit(b"a")], now=NOW)

    assert await throttle.wait([limit(b"a")], now=NOW + 9.9) == 1
    assert await throttle.wait([limit(b"a")], now=NOW + 10) == 0


async def test_the_table_is_bounded() -> None:
    throttle = MemoryThrottle(capacity=100)

    for number in range(1000):
        await throttle.fail([limit(number.to_bytes(4, "big"))], now=NOW)

    assert len(throttle) <= 100


async def test_a_flood_of_new_keys_does_not_hide_one_that_goes_on_failing() -> None:
    throttle = MemoryThrottle(capacity=100)

    for number in range(1000):
        await throttle.fail([limit(number.to_bytes(4, "big"))], now=NOW)
        if number % 40 == 0:
            await throttle.fail([limit(b"guesser")], now=NOW)

    assert await throttle.wait([limit(b"guesser")], now=NOW) == 250


async def test_a_key_that_fails_again_is_kept_once() -> None:
    throttle = MemoryThrottle(capacity=4)

    for key in (b"a", b"b", b"c", b"a"):
        await throttle.fail([limit(key)], now=NOW)

    assert len(throttle) == 3
    assert await throttle.wait([limit(b"a")], now=NOW) == 20
