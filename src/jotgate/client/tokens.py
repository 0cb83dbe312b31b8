"""Tokens in a client's hands: when they are sent and when they are renewed (RFC 6749 section 1.5, RFC 6750 section 3).

    a request is about to go                          plan
    ----------------------------------------------    --------------------------------------------------------
    not due                                           SEND
    due, there is a refresh token                     AHEAD: send what is there, renew beside
    due, there is none                                SEND
    spent                                             FIRST: renew, and wait for that
    the issuer does not say when it expires           SEND

    a 401 to the token says                           renew, and send once more
    ----------------------------------------------    --------------------------------------------------------
    token_expired, claims_stale                       yes
    token_revoked                                     yes: its key may be revoked alone; else the refresh is refused
    error="invalid_token" and no code of ours         yes
    anything else                                     no: another token would be refused as well
    any of them, there is no refresh token            no
    any of them, and that for the fourth time at      no: whoever refuses new tokens too is not helped, and the
    once, or more often than every 10 s               issuer is spared

Due is a fifth of the life before the end, 5 minutes at most, less up to half of that by a throw of the dice: not all
processes renew in the same second. Instants are by the issuer's clock; `offset` is what has to be added to ours.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from jotgate.errors import JotgateError
from jotgate.jose import b64, strictjson

MAX_AHEAD: Final = 300.0
MAX_MARGIN: Final = 5.0  # for the way to the server
DOUBTS_AT_ONCE: Final = 3
DOUBT_SECONDS: Final = 10.0
_RENEWED_FOR: Final = frozenset({"token_expired", "claims_stale", "token_revoked"})
_INVALID: Final = re.compile(r'\berror\s*=\s*"?invalid_token\b', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login or a refresh gave."""

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    obtained_at: int = 0
    expires_at: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """Tokens, and from when on they are due and spent."""

    tokens: Tokens
    due_at: float
    spent_at: float


class Plan(Enum):
    """What to do with a request."""

    SEND = auto()
    AHEAD = auto()
    FIRST = auto()


def hold(tokens: Tokens, *, jitter: float) -> Held:
    """`jitter` is thrown once for each pair of tokens: 0 to 1."""
    if tokens.expires_at is None:
        return Held(tokens, float("inf"), float("inf"))
    life = max(0, tokens.expires_at - tokens.obtained_at)
    ahead = min(life / 5, MAX_AHEAD) * (1 - jitter / 2)
    margin = min(life / 20, MAX_MARGIN) if tokens.refresh is not None else 0
    return Held(tokens, tokens.expires_at - ahead, tokens.expires_at - margin)


def plan(held: Held, *, clock: float) -> Plan:
    """By the first table; `clock` is ours."""
    now = clock + held.tokens.offset
    if now >= held.spent_at:
        return Plan.FIRST
    return Plan.AHEAD if now >= held.due_at and held.tokens.refresh is not None else Plan.SEND


def renewable(challenge: str, body: bytes) -> bool:
    """What a 401 says, by the second table: its `WWW-Authenticate`, its body."""
    code = read(body).get("code")
    return code in _RENEWED_FOR if isinstance(code, str) else _INVALID.search(challenge) is not None


def doubted(until: float, *, now: float) -> float | None:
    """By its last rows: until when doubts are paid for, with this one (GCRA); None: it is one too many."""
    paid = max(until, now) + DOUBT_SECONDS
    return paid if paid - now <= DOUBTS_AT_ONCE * DOUBT_SECONDS else None


def lifetime(access: str) -> tuple[int | None, int | None]:
    """`iat` and `exp` of our own token as it stands there; not verified, for nothing is granted by it."""
    parts = access.split(".")
    said: dict[str, Any] = {}
    if len(parts) == 3:
        try:
            said = read(b64.decode(parts[1]))
        except JotgateError:
            said = {}
    issued, expires = said.get("iat"), said.get("exp")
    return issued if type(issued) is int else None, expires if type(expires) is int else None


def read(body: bytes) -> dict[str, Any]:
    """The JSON object; empty where there is none."""
    try:
        return strictjson.loads(body)
    except JotgateError:
        return {}
