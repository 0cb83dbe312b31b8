"""What the revocation feed is told, and until when everybody must remember it.

event                                          entries    until
-----                                          -------    -----
a session closes                               sid        its last access token has expired everywhere
roles, password, state of a user change        sub        the same; tokens below the epoch are stale
one token is revoked                           jti        the same
a signing key is revoked                       kid        a year: who stole it can sign new tokens at any time
"""

from collections.abc import Iterable

from jotgate.core.policy import DAY, LEEWAY, SKEW
from jotgate.wire.feed import Entry, digest

KEY_REVOKED_SECONDS = 366 * DAY  # guards with a key set in a file must hear of it after each restart


def until(*, now: int, longest_ttl: int) -> int:
    """When every access token that exists now has expired at every guard."""
    return now + longest_ttl + LEEWAY + SKEW


def sessions_closed(issuer: str, session_ids: Iterable[str], *, now: int, longest_ttl: int) -> tuple[Entry, ...]:
    """Tokens of these sessions are dead."""
    end = until(now=now, longest_ttl=longest_ttl)
    return tuple(Entry("sid", digest(issuer, "sid", session_id), None, end) for session_id in session_ids)


def user_changed(issuer: str, user_id: str, epoch: int, *, now: int, longest_ttl: int) -> Entry:
    """Tokens of this user below `epoch` are stale."""
    return Entry("sub", digest(issuer, "sub", user_id), epoch, until(now=now, longest_ttl=longest_ttl))


def token_revoked(issuer: str, jti: str, *, now: int, longest_ttl: int) -> Entry:
    """This one token is dead."""
    return Entry("jti", digest(issuer, "jti", jti), None, until(now=now, longest_ttl=longest_ttl))


def key_revoked(issuer: str, kid: str, *, now: int) -> Entry:
    """Nothing that this key signed, or will sign in other hands, counts any more."""
    return Entry("kid", digest(issuer, "kid", kid), None, now + KEY_REVOKED_SECONDS)
