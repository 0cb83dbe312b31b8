"""Waiting with a limit: a timer is started only when there is something to wait for."""

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


async def within(work: Coroutine[Any, Any, _T], seconds: float) -> _T:
    """What the coroutine gives. Raises `TimeoutError` when that takes longer."""
    try:
        pending = work.send(None)
    except StopIteration as done:  # it had not to wait: most have not, and a timer costs more than they do
        return done.value  # type: ignore[no-any-return]  # of `work`
    async with asyncio.timeout(seconds):
        return await _Rest(work, pending)


class _Rest(Generic[_T]):
    """What is left of a coroutine that has begun and waits for `pending` (`send` and `throw` as in PEP 342)."""

    def __init__(self, work: Coroutine[Any, Any, _T], pending: Any) -> None:
        self._work = work
        self._pending = pending

    def __await__(self) -> Generator[Any, Any, _T]:
        pending = self._pending
        while True:
            try:
                given = yield pending
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is meant for the coroutine
                go_on = partial(self._work.throw, error)
            else:
                go_on = partial(self._work.send, given)
            try:
                pending = go_on()
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]  # as above
