"""The parent of `jotgate serve --workers N`: keeps N processes alive, each a whole node on a port that all share.

    what happens                        the parent
    ------------                        ----------
    SIGTERM, SIGINT                     passes it on, and ends when all have ended
    a second one, or one ends too late  kills them
    a worker ends unasked               starts another, a second after its predecessor's start at the earliest
    the parent itself is killed         the workers notice, and end

It has no thread, no event loop and no connection, so that it may fork at any time: what is done once, before there are
workers, is done by a child too. A child leaves by the same way out as any command.
"""

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from jotgate.cli.ending import FINISH_SECONDS, TOLD_BY

_log = logging.getLogger("jotgate")
_HEARD = (*TOLD_BY, signal.SIGCHLD)
_APART_SECONDS = 1.0  # between two starts of a worker in the same place
_LATE_SECONDS = 5.0  # that a worker may need beyond draining and finishing
_MANY = 65536  # bytes


@dataclass(frozen=True, slots=True)
class Place:
    """What a child is given: its number, and its ends of two pipes."""

    number: int
    lifeline: int  # comes to its end when the parent is gone
    ready: int

    def say_ready(self) -> None:
        """It takes connections."""
        with suppress(OSError):  # nobody is left to hear it
            os.write(self.ready, bytes([self.number]))


Work = Callable[[Place], object]


class Parent:
    """Forks, hears, waits. One in a process, in its main thread."""

    def __init__(self) -> None:
        self._children: dict[int, int] = {}  # process id -> number
        self._told: list[int] = []
        self._lifeline, self._ready, self._ears = os.pipe(), os.pipe(), os.pipe()
        for descriptor in (*self._ears, self._ready[0]):
            os.set_blocking(descriptor, False)
        for number in _HEARD:
            signal.signal(number, _noted)
        signal.set_wakeup_fd(self._ears[1], warn_on_full_buffer=False)

    def once(self, work: Work) -> None:
        """Have a child do it. Raises `SystemExit`: that failed, or we were told to end."""
        self._start(work, 0)
        while self._children:
            self._hear(None)
            self._pass_on(*self._told)
            for _, code in self._ended():
                if code or self._told:
                    raise SystemExit(0 if self._told else 1)

    def keep(self, count: int, work: Work, *, drain_seconds: int, ready: Callable[[], None]) -> None:
        """Keep so many workers until we are told to end; `ready` is called when all of them were ready."""
        earliest = [0.0] * count
        awaited = set(range(count))
        while not self._told:
            now = time.monotonic()
            for number in set(range(count)).difference(self._children.values()):
                if earliest[number] <= now:
                    self._start(work, number)
                    earliest[number] = now + _APART_SECONDS
            missing = set(range(count)).difference(self._children.values())
            said = self._hear(min((earliest[number] - now for number in missing), default=None))
            if awaited and not (awaited := awaited - said):
                ready()
            for number, code in self._ended():
                _log.warning("worker %d ended (%s): another takes its place", number + 1, _cause(code))
        self._end(drain_seconds)

    def _start(self, work: Work, number: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)  # what the child is told before it listens is its own
        child = os.fork()
        if not child:
            self._leave_home()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
            work(Place(number, self._lifeline[0], self._ready[1]))
            raise SystemExit(0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        self._children[child] = number

    def _leave_home(self) -> None:
        """In a child: nothing of the parent's that would act for it."""
        signal.set_wakeup_fd(-1)
        for number in _HEARD:
            signal.signal(number, signal.SIG_DFL)
        for descriptor in (self._lifeline[1], self._ready[0], *self._ears):
            os.close(descriptor)

    def _hear(self, seconds: float | None) -> set[int]:
        """Wait for a signal or a word of a worker, not longer than that; the numbers of who said that it is ready."""
        heard, _, _ = select.select((self._ears[0], self._ready[0]), (), (), seconds)
        if self._ears[0] in heard:
            self._told += [number for number in os.read(self._ears[0], _MANY) if number in TOLD_BY]
        return set(os.read(self._ready[0], _MANY)) if self._ready[0] in heard else set()

    def _ended(self) -> Iterator[tuple[int, int]]:
        """Who has ended: its number and exit code (of a signal: negative)."""
        with suppress(ChildProcessError):  # there is no child
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                number = self._children.pop(found[0], None)
                if number is not None:  # as the first process of a container we inherit children of others
                    yield number, os.waitstatus_to_exitcode(found[1])

    def _pass_on(self, *numbers: int) -> None:
        for number in numbers:
            for child in self._children:
                os.kill(child, number)  # it is not waited for yet, so nobody else can have its number

    def _end(self, drain_seconds: int) -> None:
        first = self._told[0]
        self._pass_on(first)
        until = time.monotonic() + FINISH_SECONDS + _LATE_SECONDS + (drain_seconds if first == signal.SIGTERM else 0)
        while self._children and len(self._told) == 1 and (left := until - time.monotonic()) > 0:
            self._hear(left)
            list(self._ended())
        self._pass_on(signal.SIGKILL)
        while self._children:
            self._hear(None)
            list(self._ended())


def _noted(_number: int, _frame: FrameType | None) -> None:
    """A signal whose number has gone into the pipe."""


def _cause(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
