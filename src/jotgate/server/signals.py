"""Hearing that the process is told to stop, before the server that runs us does.

Servers finish open requests before they end a lifespan, and a guard's wait is one: it has to be answered right away.

    signal     whose handler is there              heard
    -------    --------------------------------    --------------------------------------------------------
    SIGTERM    a server's                          first by us, then by the server
    SIGINT     the same as SIGTERM's               likewise
    SIGINT     another one                         no: Python's or `asyncio.Runner`'s, which wants to find it again
    either     nobody's, or in another thread      no: the process ends as ever

Whoever puts a handler over ours keeps it: ours is taken away from the top only, and not put there twice.
"""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_Handler = Callable[[int, FrameType | None], Any]


@dataclass(frozen=True, eq=False, slots=True)
class _First:
    """Our handler: tells, and leaves the rest to the one that was there."""

    tell: Callable[[], object]
    before: _Handler

    def __call__(self, number: int, frame: FrameType | None) -> Any:
        self.tell()
        return self.before(number, frame)


def listen(tell: Callable[[], object]) -> None:
    """Call `tell`, in the main thread and between any two steps of it, with each signal; again changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        return
    servers = _below_ours(signal.SIGTERM)
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and _below_ours(number) == servers and tell not in _told(handler):
            signal.signal(number, _First(tell, handler))


def forget(tell: Callable[[], object]) -> None:
    """Put back what was there before, where nobody has put a handler over ours."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if isinstance(handler, _First) and handler.tell == tell:
            signal.signal(number, handler.before)


def _below_ours(number: int) -> object:
    handler: object = signal.getsignal(number)
    while isinstance(handler, _First):
        handler = handler.before
    return handler


def _told(handler: object) -> list[Callable[[], object]]:
    """By the handlers of ours that lie on top of each other."""
    told = []
    while isinstance(handler, _First):
        told.append(handler.tell)
        handler = handler.before
    return told
