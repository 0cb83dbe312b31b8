"""Throttles by Valkey, as the tests of several files use them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from jotgate.core.throttle import Limit
from jotgate.store.ports import Store
from jotgate.store.throttle import DatabaseThrottle
from jotgate.store.valkey import Attendance, connect
from jotgate.store.valkey_throttle import ValkeyThrottle

CROWDED = 5.0  # seconds that one call may take where the machine has too much to do


@asynccontextmanager
async def node(
    store: Store, url: str, name: str = "name", *, patience: float = CROWDED
) -> AsyncIterator[ValkeyThrottle]:
    """The throttle of one node of an installation."""
    throttle = ValkeyThrottle(
        connect(url), name, database=DatabaseThrottle(store), attendance=Attendance(), patience=patience
    )
    try:
        yield throttle
    finally:
        await throttle.close()


async def until(true: Callable[[], bool]) -> None:
    """Ask again and again."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


async def until_there(throttle: ValkeyThrottle) -> None:
    """Valkey is back, for this node."""
    await until(lambda: throttle._there)


async def until_told(throttle: ValkeyThrottle) -> None:
    """A new server has to be told first; until then the database counts."""
    await throttle.wait([Limit(b"first", 1, 1.0)])
    await until_there(throttle)
