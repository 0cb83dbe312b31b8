"""Waiting for the issuer: a verdict that needs keys or news is asked for again once they have come.

`look` gives a verdict at once; `arrivals` names what it waits for. The loop of the asynchronous half is asyncio's.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, TypeVar

from jotgate.errors import KeysUnavailable
from jotgate.guard.known import NeedKeys

ROUNDS: Final = 3
Verdict = TypeVar("Verdict")
Arrivals = Callable[[NeedKeys], Sequence[tuple[Future[None], float]]]


def waited(look: Callable[[], Verdict | NeedKeys], arrivals: Arrivals) -> Verdict:
    """The verdict; blocks this thread, with limits. Raises what `look` raises, and `KeysUnavailable`."""
    for _ in range(ROUNDS):
        verdict = look()
        if not isinstance(verdict, NeedKeys):
            return verdict
        for arrival, seconds in arrivals(verdict):
            with suppress(TimeoutError):
                arrival.result(seconds)
    raise KeysUnavailable("the issuer does not answer")


async def awaited(look: Callable[[], Verdict | NeedKeys], arrivals: Arrivals) -> Verdict:
    """The same for a loop, which goes on meanwhile."""
    for _ in range(ROUNDS):
        verdict = look()
        if not isinstance(verdict, NeedKeys):
            return verdict
        for arrival, seconds in arrivals(verdict):
            await asyncio.wait([asyncio.wrap_future(arrival)], timeout=seconds)
    raise KeysUnavailable("the issuer does not answer")
