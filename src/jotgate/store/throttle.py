"""The throttle of many nodes: failures counted in the database, a row a key.

    step       statement
    -------    ---------------------------------------------------------------------------------
    wait       one select of all keys
    fail       one upsert of all keys: each row is added to and read at once, so of many nodes at the
               same time each finds the others' failures; who finds the limit reached takes his back
    forgive    the same upsert with less

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
from jotgate.errors import Unavailable
from jotgate.store.ports import Store, Tx

MICRO = 1_000_000
_MOST = 32  # keys of a statement
# How long a guess that came too late waits and tries again: others at this moment may be right, and be forgiven.
_PAUSES = (0.02, 0.06, 0.15)
_BEHIND, _LATER = 0.1, 1.0  # seconds until the database is told of failures; while it is away
_MOST_OWED = 100_000  # keys of which it is to be told
_LAST = 2.0  # seconds for the rest at the end


def cost(keys: Iterable[Limit]) -> dict[bytes, int]:
    """What one failure adds to each key, in microseconds."""
    return {limit.key: round(limit.seconds * MICRO) for limit in keys}


def less(added: Mapping[bytes, int]) -> dict[bytes, int]:
    """What takes it back."""
    return {key: -micros for key, micros in added.items()}


async def patiently(fail: Callable[[], Awaitable[int]], wait: Callable[[], Awaitable[int]]) -> int:
    """0 once `fail` counts; after a few tries what `wait` says then."""
    if not await fail():
        return 0
    seconds = 0
    for pause in _PAUSES:
        await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - to be apart, not to be secret
        seconds = await wait()
        if not seconds and not await fail():
            return 0
    return max(1, seconds)


class DatabaseThrottle:
    """Implements `ports.Throttle` on any store, for all its nodes together."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time) -> None:
        """`clock`: seconds since 1970, about the same on every node."""
        self._store = store
        self._clock = clock

    async def wait(self, keys: Sequence[Limit]) -> int:
        """Seconds until the next try is allowed, over all keys; 0: now. Raises `Unavailable`."""
        counted = await self.counted(keys)
        return longest_wait(keys, counted.get, now=0.0)

    async def fail(self, keys: Sequence[Limit]) -> int:
        """Count one failure against each, and give 0; or count nothing, and give the seconds. Raises `Unavailable`."""
        return await patiently(partial(self.fail_once, keys), partial(self.wait, keys))

    async def forgive(self, keys: Sequence[Limit]) -> None:
        """Take back what `fail` has just counted. Where the database is away it stays, and leaks away."""
        with suppress(Unavailable):
            await self.add(less(cost(keys)))

    async def close(self) -> None:
        """The store is another's."""

    # --- for the throttle that has this one behind it

    async def fail_once(self, keys: Sequence[Limit]) -> int:
        """`fail` without patience."""
        before = await self.add(cost(keys))
        wait = longest_wait(keys, before.get, now=0.0)
        if wait:
            await self.forgive(keys)
        return wait

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


class WriteBehind:
    """Failures counted elsewhere that the database will know a tenth of a second later, each key once."""

    def __init__(self, database: DatabaseThrottle) -> None:
        self._database = database
        self._owed: dict[bytes, int] = {}
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, added: Mapping[bytes, int]) -> None:
        """Microseconds to be added soon; what is taken back before is never written."""
        for key, micros in added.items():
            owed = self._owed.pop(key, 0) + micros
            if owed and len(self._owed) < _MOST_OWED:
                self._owed[key] = owed
        if self._owed and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write(), name="jotgate failures")

    async def close(self) -> None:
        """Write the rest, if that can be done soon."""
        self._closing.set()
        if self._writing:
            await asyncio.wait((self._writing,), timeout=_LAST)
            self._writing.cancel()

    async def _write(self) -> None:
        pause = _BEHIND
        while self._owed:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closing.wait()
            owed, self._owed = self._owed, {}
            try:
                await self._database.add(owed)
            except Unavailable:
                if self._closing.is_set():
                    return
                self.note(owed)
                pause = _LATER
            else:
                pause = _BEHIND


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
