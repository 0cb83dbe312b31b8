"""What the issuer's answer to a refresh, a login or a logout means.

    answer to a refresh                            outcome
    -------------------------------------------    ---------------------------------------------------------------
    200 with tokens                                Tokens: adopted
    400, 401 invalid_grant                         Over: logged out; never asked again with this token
    none, or not a whole one                       Away, again: the same token once more; a lost answer is repeated
    408, 425, 429, 5xx                             Away, again: after `Retry-After`, 5 minutes at most
    200 without tokens                             Away, again: somebody else's page
    any other                                      Away: a wrong prefix, a wall in between; not asked again at once

Only the issuer's own word ends a session. The clock: the issuer's `Date`, else the `iat` of its token, against ours
half-way between question and answer.
"""

import math
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias, TypeGuard

from jotgate.client.tokens import Tokens, lifetime, read
from jotgate.errors import (
    GrantError,
    Invalid,
    JotgateError,
    LoginError,
    NotFound,
    Replayed,
    Throttled,
    TokenFileRefused,
    Unavailable,
)

MAX_RETRY_AFTER: Final = 300
_MAX_TOKEN: Final = 8192
_AGAIN: Final = frozenset({200, 408, 425, 429})


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole answer. `at`: our clock half-way."""

    status: int
    body: bytes
    at: float
    date: str = ""
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer, or not a whole one."""

    why: str


@dataclass(frozen=True, slots=True)
class Over:
    """The session is over: somebody has to log in again."""

    why: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    """Not now. `again`: the same may be asked again at once."""

    why: str
    retry_after: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Unfit:
    """The token file must not be used."""

    why: str


Outcome: TypeAlias = Tokens | Over | Away | Unfit


def accepted(outcome: Outcome) -> Tokens:
    """The tokens. Raises `GrantError` (log in again), `Unavailable`, `TokenFileRefused`: a new one for each caller."""
    match outcome:
        case Tokens():
            return outcome
        case Over(why, replayed):
            raise Replayed(why) if replayed else GrantError(why)
        case Away(why, retry_after):
            raise Unavailable(why, retry_after=retry_after)
        case Unfit(why):
            raise TokenFileRefused(why)


def settled(outcome: Away | None) -> None:
    """Raises `Unavailable`."""
    if outcome is not None:
        raise Unavailable(outcome.why, retry_after=outcome.retry_after)


def refreshed(heard: Heard | Silence, before: Tokens) -> Tokens | Over | Away:
    """By the table. Without a new refresh token the old one stays (RFC 6749 section 6)."""
    if isinstance(heard, Silence):
        return Away(heard.why, again=True)
    if heard.status == 200:
        tokens = granted(heard, before=before)
        return tokens or Away("the answer to the refresh has no tokens in it", again=True)
    said = read(heard.body)
    if heard.status in {400, 401} and said.get("error") == "invalid_grant":
        return Over("the session is over: log in again", replayed=said.get("code") == Replayed.code)
    return away(heard, what="the refresh")


def away(heard: Heard | Silence, *, what: str) -> Away:
    """Anything that is no success."""
    if isinstance(heard, Silence):
        return Away(heard.why, again=True)
    again = heard.status in _AGAIN or heard.status >= 500
    return Away(f"the issuer answered {heard.status} to {what}", retry_after=_retry_after(heard), again=again)


def granted(heard: Heard, *, before: Tokens | None = None) -> Tokens | None:
    """The tokens of an answer under either of their names; None: there are none that we can use."""
    said = read(heard.body)
    access = said.get("access_token", said.get("token"))
    refresh = said.get("refresh_token", said.get("refreshToken"))
    kind = said.get("token_type", "Bearer")
    if not (_is_token(access) and isinstance(kind, str) and kind.lower() == "bearer"):
        return None
    if refresh is None:
        refresh = before.refresh if before is not None else None
    elif not _is_token(refresh):
        return None
    return _timed(access, refresh, said.get("expires_in"), at=heard.at, now=_date(heard.date))


def _timed(access: str, refresh: str | None, expires_in: object, *, at: float, now: float | None) -> Tokens:
    """Tokens made just now; `at` by our clock, `now` the same by the issuer's where it is known."""
    issued, expires = lifetime(access)
    here = issued if now is None else now
    moment = int(at if here is None else here)
    offset = 0 if here is None else round(here + 0.5 - at)  # both are whole seconds, and begun ones
    if type(expires_in) is int and 0 <= expires_in < 10**9:
        return Tokens(access, refresh, moment, moment + expires_in, offset)
    life = None if expires is None or issued is None else expires - issued
    return Tokens(access, refresh, moment, None if life is None else moment + life, offset)


def kept(access: str, refresh: str | None, expires_in: int | None, *, at: float) -> Tokens:
    """Tokens that were got elsewhere, some time ago if only they themselves say their life."""
    issued, expires = lifetime(access)
    if expires_in is not None:
        return Tokens(access, refresh, int(at), int(at) + expires_in)
    return Tokens(access, refresh, int(at) if issued is None else issued, expires)


def ended(heard: Heard | Silence) -> Away | None:
    """None: the session is over. Without such a path nothing is kept of tokens; a 401 is about one that is over."""
    if isinstance(heard, Heard) and (heard.status in range(200, 300) or heard.status in {401, 404, 405}):
        return None
    return away(heard, what="the logout")


def refusal(heard: Heard | Silence) -> JotgateError:  # noqa: PLR0911  # a table
    """Why a login gave no tokens."""
    if isinstance(heard, Silence):
        return Unavailable(heard.why)
    said = read(heard.body)
    match heard.status:
        case 200:
            return Unavailable("the answer to the login has no tokens in it: does the issuer send them as cookies?")
        case 401:
            return LoginError("the issuer refused the login")
        case 404 | 405:
            return NotFound("the issuer has no login there: is the prefix right?")
        case 422:
            return Invalid(_text(said, "error_description"), field=_text(said, "field"))
        case 429:
            return Throttled(_retry_after(heard), "the issuer asks to wait before the next login")
    return Unavailable(f"the issuer answered {heard.status} to the login", retry_after=_retry_after(heard))


def _is_token(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TOKEN and value.isascii() and value.isprintable() and (
        " " not in value
    )  # fmt: skip


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name, "")
    return value if isinstance(value, str) else ""


def _retry_after(heard: Heard) -> int:
    """Seconds, given as such or as a date (RFC 9110 section 10.2.3); 0: nothing is said."""
    text = heard.retry_after.strip()
    if text.isdecimal():
        return min(int(text[:9]), MAX_RETRY_AFTER)
    until = _date(text)
    now = _date(heard.date)
    seconds = 0.0 if until is None else until - (heard.at if now is None else now)
    return min(max(0, math.ceil(seconds)), MAX_RETRY_AFTER)


def _date(text: str) -> float | None:
    """An HTTP date (RFC 9110 section 5.6.7)."""
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
