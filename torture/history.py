"""The record: what was asked, when, and what was answered; written down as it happens and never changed.

An instant is in seconds on the clock that all processes of this machine share (`time.monotonic`).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from jotgate.jose import b64

Kind = Literal["login", "refresh", "logout", "password", "role", "guarded"]
KINDS: tuple[Kind, ...] = ("login", "refresh", "logout", "password", "role", "guarded")
NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A refresh token as the record keeps it: it could not be used again."""

    generation: int
    digest: str


@dataclass(frozen=True, slots=True)
class Event:
    """One request and its answer.

        kind        session                 number
        ----        -------                 ------
        login       the one that it opened  of the password that was used
        refresh     the token's             of the role in the new access token
        logout      the one to be closed    -
        password    the one that changes    of the new password
        role        -                       of the new role
        guarded     the access token's      of the role in the access token

    A user's passwords and roles have numbers that only rise, in the order in which they were asked for.
    """

    kind: Kind
    user: str
    at: str  # which node or guard was asked
    sent_at: float
    ended_at: float  # the answer was there, or was not waited for any longer
    status: int = NO_ANSWER
    code: str = ""
    session: str = ""
    presented: Token | None = None
    given: Token | None = None
    number: int = 0

    @property
    def done(self) -> bool:
        """Whether success was acknowledged."""
        return 200 <= self.status < 300

    @property
    def possible(self) -> bool:
        """Whether it may have happened: without an answer, or with a 5xx, nobody knows."""
        return self.done or self.status == NO_ANSWER or self.status >= 500


@dataclass(frozen=True, slots=True)
class Fault:
    """What was broken, from when to when. `outage`: no node could reach its database, or there was no node."""

    kind: str
    detail: str
    begun_at: float
    ended_at: float
    outage: bool = False


@dataclass(slots=True)
class History:
    """Events in the order in which they ended, and the faults; `world` is where they happened."""

    world: str
    events: list[Event] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)  # seconds for which the clients themselves did not get to run
    ended_at: float = 0.0


def token(text: str) -> Token:
    """What the record keeps of a refresh token. The generation stands in its bytes 21 to 25."""
    raw = _bytes(text)
    return Token(int.from_bytes(raw[21:25], "big"), hashlib.sha256(raw).hexdigest()[:16])


def session_of(text: str) -> str:
    """The session that a refresh token belongs to."""
    return _bytes(text)[5:21].hex()


def write(histories: Iterable[History], path: Path) -> None:
    """Keep them as JSON, one history a line."""
    path.write_bytes(b"\n".join(map(msgspec.json.encode, histories)))


def read(path: Path) -> list[History]:
    """What `write` kept."""
    return [msgspec.json.decode(line, type=History) for line in path.read_bytes().splitlines()]


def _bytes(text: str) -> bytes:
    return b64.decode(text.removeprefix("jgr_"))
