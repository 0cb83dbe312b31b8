"""Sweep: forget what matters to nobody any more, in small batches, so that nobody waits behind it.

what                                   is forgotten
----                                   ------------
closed and ended sessions              30 days after
entries of the feed                    when every token that they hit has expired
keys that are gone                     30 days after
lines of the audit                     after 400 days
counts of failed logins                an hour after they have leaked away: clocks of nodes may differ

One node sweeps at a time: each batch keeps the lease in its own transaction, and commits nothing without it. A batch is
as large as fits into a few milliseconds, its commit with them, and three times as long belongs to the others before the
next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from jotgate.core.policy import DAY, MINUTE, SKEW
from jotgate.flows.env import Env
from jotgate.store import audit, feed, keys, leases, sessions, throttle
from jotgate.store.ports import Tx

SESSIONS_KEPT = 30 * DAY
KEYS_KEPT = 30 * DAY
AUDIT_KEPT = 400 * DAY
COUNTS_KEPT = 60 * MINUTE
LEASE = "sweep"
LEASE_SECONDS = 15 * MINUTE  # longer than the pause between two sweeps: who has it keeps it
FEWEST, FIRST, MOST = 20, 100, 2000  # rows of a batch
_BATCH_SECONDS = 0.004
_REST = 3  # times as long as the batch took

_Batch = Callable[[Tx, int], Awaitable[int]]  # forgets up to so many rows; how many went


class _Another(Exception):  # noqa: N818  # nothing failed: another node sweeps
    """The lease is another's."""


class _Sweeper:
    """One sweep; what it learned of the database's pace holds for all of it."""

    def __init__(self, env: Env, holder: str) -> None:
        self._env = env
        self._holder = holder
        self._limit = FIRST
        self._began_at = 0.0
        self.gone = 0

    async def all_of(self, batch: _Batch) -> None:
        """One small transaction after the other, others in between. Raises `_Another`."""
        while True:
            limit = self._limit
            went = await self._env.store.write(partial(self._one, batch, limit), durable=False)
            took = _loop_time() - self._began_at
            self.gone += went
            if went < limit:
                return
            self._limit = fitting(limit, took)
            await asyncio.sleep(_REST * took)

    async def _one(self, batch: _Batch, limit: int, tx: Tx) -> int:
        self._began_at = _loop_time()
        now = int(self._env.clock())
        # A live holder renews long before: even by a clock that is wrong as far as clocks may be, it is not robbed.
        if not await leases.take(tx, LEASE, holder=self._holder, until=now + LEASE_SECONDS, over=now - SKEW):
            raise _Another
        return await batch(tx, limit)


async def sweep(env: Env, *, holder: str) -> int:
    """Everything that is due, as `holder`, a name of this process alone; how much went."""
    now = int(env.clock())
    sweeper = _Sweeper(env, holder)
    batches: tuple[_Batch, ...] = (
        lambda tx, limit: sessions.sweep(tx, now - SESSIONS_KEPT, limit),
        lambda tx, limit: feed.forget(tx, now, limit),
        lambda tx, limit: audit.sweep(tx, now - AUDIT_KEPT, limit),
        lambda tx, limit: throttle.sweep(tx, now - COUNTS_KEPT, limit),
        lambda tx, _limit: _forget_keys(tx, now - KEYS_KEPT),
    )
    with suppress(_Another):
        for batch in batches:
            await sweeper.all_of(batch)
    return sweeper.gone


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def fitting(limit: int, took: float) -> int:
    """How many rows the next batch may have, after one of `limit` rows that took so many seconds."""
    if took > _BATCH_SECONDS:
        return max(limit // 2, FEWEST)
    return min(limit * 2, MOST) if took < _BATCH_SECONDS / 2 else limit


async def _forget_keys(tx: Tx, before: int) -> int:
    over = [key.kid for key in await keys.signing(tx) if key.gone_at is not None and key.gone_at < before]
    for kid in over:
        await keys.remove_signing(tx, kid)
    return len(over)
