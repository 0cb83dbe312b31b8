"""Sweep: forget what matters to nobody any more, in small batches, so that nobody waits behind it.

what                                   is forgotten
----                                   ------------
closed and ended sessions              30 days after
entries of the feed                    when every token that they hit has expired
keys that are gone                     30 days after
lines of the audit                     after 400 days
"""

import asyncio
from collections.abc import Awaitable, Callable

from jotgate.core.policy import DAY
from jotgate.flows.env import Env
from jotgate.store import audit, feed, keys, sessions
from jotgate.store.ports import Tx

BATCH = 500
SESSIONS_KEPT = 30 * DAY
KEYS_KEPT = 30 * DAY
AUDIT_KEPT = 400 * DAY


async def sweep(env: Env) -> int:
    """Everything that is due; how much went."""
    now = int(env.clock())
    gone = await _all_of(env, lambda tx: sessions.sweep(tx, now - SESSIONS_KEPT, BATCH))
    gone += await _all_of(env, lambda tx: feed.forget(tx, now, BATCH))
    gone += await _all_of(env, lambda tx: audit.sweep(tx, now - AUDIT_KEPT, BATCH))
    return gone + await _all_of(env, lambda tx: _forget_keys(tx, now - KEYS_KEPT))


async def _all_of(env: Env, batch: Callable[[Tx], Awaitable[int]]) -> int:
    """One small transaction after the other, others in between."""
    gone = 0
    while True:
        went = await env.store.write(batch, durable=False)
        gone += went
        if went < BATCH:
            return gone
        await asyncio.sleep(0)


async def _forget_keys(tx: Tx, before: int) -> int:
    over = [key.kid for key in await keys.signing(tx) if key.gone_at is not None and key.gone_at < before]
    for kid in over:
        await keys.remove_signing(tx, kid)
    return len(over)
