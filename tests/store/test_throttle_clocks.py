"""Nodes whose clocks differ: what a guesser gains who knows of it, and how long an owner may have to wait."""

from collections.abc import AsyncIterator, Callable

import pytest

from jotgate.core.throttle import Limit, limits_for
from jotgate.store.migrate import migrate
from jotgate.store.sqlite import open_store
from jotgate.store.throttle import DatabaseThrottle
from tests.core.test_throttle import blind
from tests.store.guesses import wrong
from tests.store.rows import NOW

pytestmark = pytest.mark.anyio

DAY = 86400
ADA: tuple[Limit, ...] = limits_for("email ada@example.com", "192.0.2.1", blind=blind)


class Clock:
    now = float(NOW)

    def off_by(self, seconds: float) -> Callable[[], float]:
        return lambda: self.now + seconds


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[Clock, Callable[[float], DatabaseThrottle]]]:
    store, clock = open_store(":memory:"), Clock()
    await migrate(store, now=NOW, entropy=bytes)
    yield clock, lambda seconds: DatabaseThrottle(store, clock=clock.off_by(seconds))
    await store.close()


Nodes = tuple[Clock, Callable[[float], DatabaseThrottle]]


async def guesses(clock: Clock, throttles: list[DatabaseThrottle], *, seconds: float) -> int:
    """How many are heard of whoever asks each node at its first possible moment."""
    end, count = clock.now + seconds, 0
    while clock.now < end:
        waits = [await throttle.wait(ADA) for throttle in throttles]
        if min(waits):
            clock.now += min(waits)
            continue
        count += not await wrong(throttles[waits.index(0)], ADA)
    return count


@pytest.mark.parametrize("off", [(0,), (0, 60), (0, -60), (0, 60, -60)], ids=str)
async def test_a_guesser_gains_nothing_from_clocks_a_minute_off(nodes: Nodes, off: tuple[float, ...]) -> None:
    clock, at = nodes

    assert await guesses(clock, [at(seconds) for seconds in off], seconds=DAY) == pytest.approx(125, abs=2)


@pytest.mark.parametrize("off", [60, -60])
async def test_who_mistypes_once_waits_no_longer_than_clocks_differ(nodes: Nodes, off: float) -> None:
    _, at = nodes

    assert await wrong(at(off), ADA) == 0

    assert await at(0).wait(ADA) <= 60
    assert await at(off).wait(ADA) == 0
