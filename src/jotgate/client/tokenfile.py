"""The token file: one session for several processes, with a lock beside it.

    found                                        answer
    -----------------------------------------    --------------------------------------------------------------
    nothing, or an empty file                    there is no session
    another user's, or readable by others        TokenFileRefused: tokens of strangers, or tokens for strangers
    not a session of ours                        TokenFileRefused, which says what to do
    a session                                    its tokens; the higher `serial` is the newer one

It is written whole or not at all (0600, renamed into its place), only under the lock. The lock is the kernel's
(`flock`) on FILE.lock, which stays: whoever is killed holds it no longer. Not on Windows.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from jotgate.client.flight import rest
from jotgate.client.tokens import Tokens
from jotgate.errors import Misuse, TokenFileRefused, Unavailable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # said by `TokenFile`

_MAX_BYTES: Final = 65_536
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1


@dataclass(frozen=True, slots=True)
class Saved:
    """What stands in the file: the tokens, whose they are, and how many writings came before."""

    issuer: str
    prefix: str
    serial: int
    tokens: Tokens

    def check(self, issuer: str, prefix: str) -> None:
        """Whether it is a session there. Raises `TokenFileRefused`."""
        if (self.issuer, self.prefix) != (issuer, prefix):
            raise TokenFileRefused(f"the session in the token file is one at {self.issuer}{self.prefix}: use another")


class TokenFile:
    """A path, and what may be done there."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises `Misuse` where there are no locks."""
        if fcntl is None:
            raise Misuse("a token file needs the locks of a POSIX system")
        self.path = Path(path).expanduser().resolve()
        self._lock = self.path.with_name(f"{self.path.name}.lock")
        self._draft = self.path.with_name(f".{self.path.name}.new")

    @contextmanager
    def alone(self, *, seconds: float) -> Iterator[None]:
        """No other process, and no other session of this one, is in here. Raises `Unavailable`, `TokenFileRefused`."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise TokenFileRefused(f"{self._lock}: the lock cannot be opened ({error.strerror})") from None
        _held.add(descriptor)
        try:
            _take(descriptor, seconds=seconds)
            yield
        finally:
            _held.discard(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a child that was forked meanwhile
            os.close(descriptor)

    def read(self) -> Saved | None:
        """The session in the file. Raises `TokenFileRefused`."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TokenFileRefused(f"{self.path} cannot be read ({error.strerror})") from None
        try:
            if complaint := self._unfit(os.fstat(descriptor)):
                raise TokenFileRefused(complaint)
            content = os.read(descriptor, _MAX_BYTES)
        finally:
            os.close(descriptor)
        return self._parsed(content) if content else None

    def write(self, saved: Saved) -> None:
        """Put it in the place of what is there; to be called inside of `alone`. Raises `TokenFileRefused`."""
        try:
            self._write(_encode(saved))
        except OSError as error:
            raise TokenFileRefused(f"{self.path} cannot be written ({error.strerror})") from None

    def _write(self, content: bytes) -> None:
        self._draft.unlink(missing_ok=True)  # of somebody who was killed
        descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        self._draft.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def remove(self) -> None:
        """There is no session any more; to be called inside of `alone`."""
        with suppress(OSError):
            self.path.unlink()

    def _unfit(self, state: os.stat_result) -> str | None:
        if not stat.S_ISREG(state.st_mode):
            return f"{self.path} is no file"
        if state.st_uid != os.geteuid():
            return f"{self.path} belongs to another user (id {state.st_uid}, we are {os.geteuid()})"
        if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            mode = stat.S_IMODE(state.st_mode)
            return f"{self.path} is open to other users (mode {mode:04o}): chmod 600 it, and log in again if in doubt"
        return None

    def _parsed(self, content: bytes) -> Saved:
        try:
            return _decode(content)
        except ValueError:  # what msgspec raises is one
            raise TokenFileRefused(f"{self.path} holds no session of ours: remove it and log in again") from None


class _Entry(msgspec.Struct, tag_field="format", tag=1):
    """What stands in the file."""

    issuer: str
    prefix: str
    serial: int
    access_token: str
    refresh_token: str | None
    obtained_at: int
    expires_at: int | None
    offset: int


def _decode(content: bytes) -> Saved:
    said = msgspec.json.decode(content, type=_Entry)
    held = Tokens(said.access_token, said.refresh_token, said.obtained_at, said.expires_at, said.offset)
    return Saved(said.issuer, said.prefix, said.serial, held)


def _encode(saved: Saved) -> bytes:
    held = saved.tokens
    own = (saved.issuer, saved.prefix, saved.serial)
    return msgspec.json.encode(_Entry(*own, held.access, held.refresh, held.obtained_at, held.expires_at, held.offset))


def _take(descriptor: int, *, seconds: float) -> None:
    """Raises `Unavailable`."""
    until = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() + pause > until or not rest(pause):
                raise Unavailable("another process is at the token file, and takes too long") from None
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return


_held: set[int] = set()


def _after_fork() -> None:
    """In the child: a copy of the parent's lock would outlive the parent."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
