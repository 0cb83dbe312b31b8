"""The throttle of many nodes: failures counted in the database, a row a key.

    step      statement
    -----     ---------------------------------------------------------------------------------
    wait      one select of all keys
    admit     one upsert of all keys: each row is added to and read at once, so of many nodes at the
              same time each finds the others' tries; who finds a limit reached takes his back
    wrong     none: it is counted already
    right     the same upsert with less

A row holds an instant in microseconds by the clock of whoever counted: no clock but the nodes' is asked. Between two
whose clocks differ a wait is longer or shorter by the difference.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import time

from jotgate.core.throttle import Limit, longest_wait
from jotgate.errors import Throttled, Unavailable
from jotgate.store.ports import Guess, Store, Tx

MICRO = 1_000_000
_MOST = 32  # keys of a statement
# How long a guess that came too late waits and tries again: others at this moment may be right, and be forgiven.
_PAUSES = (0.02, 0.06, 0.15)


def cost(keys: Iterable[Limit]) -> dict[bytes, int]:
    """What one failure adds to each key, in microseconds."""
    return {limit.key: round(limit.seconds * MICRO) for limit in keys}


def less(added: Mapping[bytes, int]) -> dict[bytes, int]:
    """What takes it back."""
    return {key: -micros for key, micros in added.items()}


async def patiently(attempt: Callable[[], Awaitable[Guess | None]], wait: Callable[[], Awaitable[int]]) -> Guess:
    """What an attempt gives, after a few if the first ones give nothing. Raises `Throttled`."""
    guess, seconds = await attempt(), 0
    for pause in _PAUSES if guess is None else ():
        await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - to be apart, not to be secret
        seconds = await wait()
        if not seconds and (guess := await attempt()):
            break
    if guess is None:
        raise Throttled(max(1, seconds))
    return guess


class DatabaseThrottle:
    """Implements `ports.Throttle` on any store, for all its nodes together. Raises `Unavailable`."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time) -> None:
        """`clock`: seconds since 1970, about the same on every node."""
        self._store = store
        self._clock = clock

    async def wait(self, keys: Sequence[Limit]) -> int:
        """Seconds until the next try is allowed, over all keys; 0: now."""
        counted = await self.counted(keys)
        return longest_wait(keys, counted.get, now=0.0)

    async def admit(self, keys: Sequence[Limit]) -> Guess:
        """Count a try against each key. Raises `Throttled`."""
        return await patiently(partial(self.attempt, keys), partial(self.wait, keys))

    async def close(self) -> None:
        """The store is another's."""

    # --- for the throttle that has this one behind it

    async def attempt(self, keys: Sequence[Limit]) -> Guess | None:
        """`admit` without patience; None: refused."""
        before, guess = await self.add(cost(keys)), _Counted(self, keys)
        if longest_wait(keys, before.get, now=0.0):
            await guess.right()
            return None
        return guess

    async def counted(self, keys: Sequence[Limit]) -> dict[bytes, float]:
        """In how many seconds what is counted will have leaked away, where something is."""
        marks = ", ".join("?" * len(keys))
        rows = await self._store.read().all(
            f"select key, tat from throttle_counts where key in ({marks or 'null'})", *(limit.key for limit in keys)
        )
        now = self._now()
        return {bytes(key): (tat - now) / MICRO for key, tat in rows}

    async def add(self, added: Mapping[bytes, int]) -> dict[bytes, float]:
        """Add microseconds to each key; in how many seconds what was there before would have leaked away."""
        now = self._now()
        before: dict[bytes, float] = {}
        ordered = sorted(added.items())  # two that lock the same rows never cross
        for start in range(0, len(ordered), _MOST):
            some = ordered[start : start + _MOST]
            values = [value for key, micros in some for value in (key, now + micros)]
            rows = await self._store.swap().all(_upsert(len(some)), *values, now, now)
            before |= {bytes(row[0]): (row[1] - added[bytes(row[0])] - now) / MICRO for row in rows}
        return before

    async def longest(self) -> float:
        """In how many seconds everything that is counted now will have leaked away."""
        row = await self._store.read().one("select max(tat) from throttle_counts")
        return 0.0 if row is None or row[0] is None else max(0.0, (row[0] - self._now()) / MICRO)

    def _now(self) -> int:
        return round(self._clock() * MICRO)


class _Counted:
    """Implements `ports.Guess`."""

    def __init__(self, throttle: DatabaseThrottle, keys: Sequence[Limit]) -> None:
        self._throttle = throttle
        self._keys = keys

    async def wrong(self) -> None:
        """It is counted already."""

    async def right(self) -> None:
        """Take it back. Where the database is away it stays, and leaks away."""
        with suppress(Unavailable):
            await self._throttle.add(less(cost(self._keys)))


async def sweep(tx: Tx, before: int, limit: int) -> int:
    """Forget up to `limit` counts that had leaked away before this second; how many went."""
    instant = before * MICRO
    return await tx.run(
        """delete from throttle_counts where tat < ? and key in
        (select key from throttle_counts where tat < ? order by tat limit ?)""",
        instant,
        instant,
        limit,
    )


def _upsert(rows: int) -> str:
    """GCRA's step (`core.throttle.fail`): the later of what is there and now, and what is added."""
    values = ", ".join(["(?, ?)"] * rows)
    return f"""insert into throttle_counts (key, tat) values {values}
    on conflict (key) do update set tat = excluded.tat
        + case when throttle_counts.tat > ? then throttle_counts.tat - ? else 0 end
    returning key, tat"""
