"""Guesses at a throttle: what becomes of each."""

from collections.abc import Sequence

from jotgate.core.throttle import Limit
from jotgate.errors import Throttled
from jotgate.store.ports import Throttle


async def wrong(throttle: Throttle, limits: Sequence[Limit]) -> int:
    """0: it was heard that the guess is wrong; else the seconds to wait."""
    try:
        guess = await throttle.admit(limits)
    except Throttled as refused:
        return refused.retry_after
    await guess.wrong()
    return 0


async def right(throttle: Throttle, limits: Sequence[Limit]) -> int:
    """0: it was heard that the guess is right; else the seconds to wait."""
    try:
        guess = await throttle.admit(limits)
    except Throttled as refused:
        return refused.retry_after
    await guess.right()
    return 0
