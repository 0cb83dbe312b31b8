"""Single flight: whoever asks while the work is under way shares its outcome; tasks of any loop, and threads.

The work runs in a thread of its own. So nobody who waits can take it along: a cancelled task, a closed loop or a thread
that gave up leaves the others with their answer, and waiting for a file or a server never blocks a loop. The thread is
no daemon: a process that ends waits for an answer that is on its way, for a successor that nobody keeps is lost.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread, main_thread
from typing import Final, Generic, TypeVar

from jotgate.errors import Unavailable

T = TypeVar("T")
_SLICE_SECONDS: Final = 0.1


class Flight(Generic[T]):
    """One flight at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way: Future[T] | None = None

    def board(self, known: Callable[[], T | None], work: Callable[[], T]) -> Future[T]:
        """What is `known` already, the outcome of the flight under way, or that of a new one.

        `work` leaves what it has found where `known` sees it, before it returns.
        """
        with self._lock:
            answer = known()
            if answer is not None:
                return landed(answer)
            if self._under_way is None or self._under_way.done():
                self._under_way = aside(work)
            return self._under_way


def landed(answer: T) -> Future[T]:
    """An answer that is there."""
    future: Future[T] = Future()
    future.set_result(answer)
    return future


def aside(work: Callable[[], T]) -> Future[T]:
    """The work, in a thread of its own."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # who waits can give up, and cancels nothing

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # whoever waits gets it
            future.set_exception(error)

    try:
        Thread(target=run, name="jotgate-client", daemon=False).start()
    except RuntimeError as error:  # out of threads, or the interpreter goes down
        future.set_exception(Unavailable(f"no thread to work in: {error}"))
    return future


async def arrival(future: Future[T]) -> T:
    """Wait in a task."""
    return await asyncio.wrap_future(future)


def rest(seconds: float) -> bool:
    """Pause the thread of a flight; False: the process is about to end, and there is no more time."""
    until = time.monotonic() + seconds
    while main_thread().is_alive() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_SECONDS))
    return main_thread().is_alive()
