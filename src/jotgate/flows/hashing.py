"""The bounded pool in which passwords are hashed: Argon2id (RFC 9106), in threads that nothing else waits for.

- As many threads as cores, at lower priority, so that refresh, key set and health keep their pace in a login storm.
- A short queue; past it `Busy` at once, so that a wait stays short and memory stays at one hash's memory a thread.
- No network holds more than a quarter of the places, so that junk from one leaves room for everybody else.
- A place is free again when its thread is done, not when its client has gone away.
- While more wait than there are threads, a thread tells of its results in eights: a hash empties the processor's
  caches, and what a login does besides costs a third when some do it one after the other, and share one wait for the
  disk.

PyNaCl makes and checks: no other wheel was as fast, though half of its time goes into fresh memory from the system for
each hash. argon2-cffi on one buffer of huge pages, and OpenSSL, took a quarter longer. argon2-cffi checks what PyNaCl
does not, such as hashes with more lanes.
"""

import asyncio
import logging
import os
import sys
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import argon2.exceptions
import argon2.low_level
import nacl.exceptions
import nacl.pwhash
from argon2.low_level import Type

from jotgate.core import passwords
from jotgate.errors import Busy

_log = logging.getLogger("jotgate.hashing")
_NICER = 10 if sys.platform == "linux" else 0  # elsewhere a thread's number is not a process's: leave it alone
_LONGEST_FOR_NACL = 127
_TOGETHER = 8  # results told at once, so that the first of them waits for seven more hashes at most
_WANTED = passwords.Argon2()
_T = TypeVar("_T")


def cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many cores this process may use; in a container with a limit of CPU no more than that."""
    found = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    with suppress(OSError):
        used, _, period = quota.read_text("ascii").partition(" ")
        if used.isdigit():  # microseconds in a period of so many; or "max"
            return max(1, min(found, int(used) // int(period)))
    return found


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    network: str
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class HashingPool:
    """Threads, places and who holds them. One a process; all but the hashing happens in the event loop's thread."""

    def __init__(
        self,
        wanted: passwords.Argon2 = _WANTED,
        *,
        threads: int | None = None,
        waiting_for_each: int = 8,
        nicer: int = _NICER,
    ) -> None:
        self._wanted = wanted
        self._nicer = nicer
        self._slots = threads or cores()
        self._places = self._slots * (1 + waiting_for_each)
        self._share = max(1, self._places // 4)
        self._held: Counter[str] = Counter()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []  # started for the first job
        self._closed = False
        self._nobody = _of_nobody(wanted)
        self._later: set[asyncio.Task[None]] = set()

    async def hash(self, password: str, network: str) -> str:
        """A PHC string with today's cost. Raises `Busy` at once when there is no place."""
        return await self._in_thread(network, partial(_hash, _bytes(password), self._wanted))

    async def verify(self, phc: str | None, password: str, network: str) -> bool:
        """Whether it is the hash's password; for None (nobody) the same work is done. Raises `Busy` like `hash`."""
        right = await self._in_thread(network, partial(_verify, self._checked(phc), _bytes(password)))
        return right and phc is not None

    def outdated(self, phc: str) -> bool:
        """Whether a hash made today would be a better one."""
        return passwords.needs_rehash(phc, self._wanted)

    def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this once the answer is out; a failure is logged and changes nothing."""
        task = asyncio.get_running_loop().create_task(work)
        self._later.add(task)
        task.add_done_callback(self._done_later)

    async def close(self) -> None:
        """Finish what runs and give the threads back."""
        if self._later:
            await asyncio.wait(self._later)
        self._closed = True
        threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    def _checked(self, phc: str | None) -> str:
        if phc is not None and passwords.parse_phc(phc) is None:
            _log.error("a password hash in the database is damaged, or would cost too much: it is nobody's")
            return self._nobody
        return phc or self._nobody

    async def _in_thread(self, network: str, work: Callable[[], _T]) -> _T:
        if self._closed or self._held.total() >= self._places or self._held[network] >= self._share:
            raise Busy("no place left for another password hash")
        if not self._threads:
            self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(self._slots)]
            for thread in self._threads:
                thread.start()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        self._held[network] += 1
        self._jobs.put(_Job(work, network, loop, answer))
        return await answer

    def _serve(self) -> None:
        """What a thread does. As little as can be besides the hashing, for the GIL is needed for it."""
        _give_way(self._nicer)
        done: list[_Job] = []
        while (job := self._next(done)) is not None:
            try:
                job.result = job.answer.cancelled() or job.work()
            except Exception as error:  # noqa: BLE001 - told to who waits
                job.error = error
            done.append(job)
        self._tell(done)

    def _next(self, done: list[_Job]) -> _Job | None:
        """The next job. Before it waits for one, and unless many wait, those who can be told are told."""
        if done and len(done) < _TOGETHER and self._jobs.qsize() > self._slots:
            with suppress(Empty):  # other threads were faster
                return self._jobs.get_nowait()
        self._tell(done)
        return self._jobs.get()

    def _tell(self, done: list[_Job]) -> None:
        for loop in {job.loop for job in done}:
            with suppress(RuntimeError):  # the loop has ended, and with it who waited
                loop.call_soon_threadsafe(self._finish, [job for job in done if job.loop is loop])
        done.clear()

    def _finish(self, done: list[_Job]) -> None:
        for job in done:
            self._held[job.network] -= 1
            if not self._held[job.network]:
                del self._held[job.network]
            if job.answer.cancelled():
                continue
            if job.error is None:
                job.answer.set_result(job.result)
            else:
                job.answer.set_exception(job.error)

    def _done_later(self, task: asyncio.Task[None]) -> None:
        self._later.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("work after an answer failed: %s", error)


def _give_way(nicer: int) -> None:
    if nicer:
        own = threading.get_native_id()
        with suppress(OSError):  # a sandbox may forbid it: better no lower priority than no logins
            os.setpriority(os.PRIO_PROCESS, own, min(19, os.getpriority(os.PRIO_PROCESS, own) + nicer))


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")


def _of_nobody(wanted: passwords.Argon2) -> str:
    """A hash that costs as much as any, of no known password."""
    salt, digest = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (wanted.salt_bytes, wanted.hash_bytes))
    return f"${wanted.variant}$v=19$m={wanted.memory_kib},t={wanted.passes},p={wanted.lanes}${salt}${digest}"


def _hash(password: bytes, wanted: passwords.Argon2) -> str:
    phc: bytes = nacl.pwhash.argon2id.str(password, opslimit=wanted.passes, memlimit=wanted.memory_kib * 1024)
    return phc.decode()


def _verify(phc: str, password: bytes) -> bool:
    try:
        if phc.startswith("$argon2id$") and ",p=1$" in phc and len(phc) <= _LONGEST_FOR_NACL:
            return bool(nacl.pwhash.argon2id.verify(phc.encode(), password))
        variant = Type.ID if phc.startswith("$argon2id$") else Type.I
        return argon2.low_level.verify_secret(phc.encode(), password, variant)
    except (nacl.exceptions.InvalidkeyError, argon2.exceptions.VerificationError):
        return False
