"""What an access token must say beyond its signature (RFC 9068, RFC 8725 section 3; CONTRACT.md "Access token").

    claim               rule
    ------------------  --------------------------------------------------------------------
    iss                 is the issuer expected, to the byte
    aud                 contains the audience that we are, to the byte
    sub                 a string, not empty, without control characters
    exp                 later than now - leeway: *on* exp is too late (RFC 7519 section 4.1.4)
    nbf, iat            not later than now + leeway
    exp - iat           at most the ceiling
    scope               printable ASCII, separated by spaces (RFC 6749 section 3.3)

The kinds of the claims (strings, integers, lists of strings) are the business of `jwt`.
"""

import re

from jotgate.errors import (
    AudienceMismatch,
    Expired,
    IssuerMismatch,
    LifetimeExcessive,
    Malformed,
    NotYetValid,
)

TYP = "at+jwt"
_control = re.compile("[\x00-\x1f\x7f-\x9f]").search


def check_subject(sub: str) -> None:
    """Raises `Malformed` for control characters."""
    if not sub.isprintable() and _control(sub):
        raise Malformed("control characters in sub")


def check_scope(scope: str) -> None:
    """Raises `Malformed` for what no scope can hold."""
    if not (scope.isascii() and scope.isprintable()):
        raise Malformed("scope holds more than printable ASCII")


def check_parties(iss: str, aud: tuple[str, ...], *, issuer: str, audience: str) -> None:
    """Raises `IssuerMismatch` or `AudienceMismatch`."""
    if iss != issuer:
        raise IssuerMismatch("another issuer")
    if audience not in aud:
        raise AudienceMismatch("our audience is not in aud")


def check_times(exp: int, iat: int, nbf: int | None, *, now: int, leeway: int, max_lifetime: int) -> None:
    """Raises `Expired`, `NotYetValid` or `LifetimeExcessive`."""
    if exp <= now - leeway:
        raise Expired(f"expired {now - exp} s ago")
    latest = now + leeway
    if iat > latest or (nbf is not None and nbf > latest):
        raise NotYetValid("iat or nbf lies in the future")
    if exp - iat > max_lifetime:
        raise LifetimeExcessive(f"lives {exp - iat} s, at most {max_lifetime} are allowed")
