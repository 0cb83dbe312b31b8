"""Where the access token stands in a request: exactly one credential (RFC 6750 section 2).

    request                                              result
    -------                                              ------
    no Authorization, or another scheme; no cookie       None
    `Bearer TOKEN`, the scheme in any letter case        the token, from the header
    a cookie alone                                       the token, from the cookie: its reader checks crosssite
    header and cookie, equal                             the token, from the header: no other site can send that
    header and cookie that differ                        CredentialsAmbiguous
    Authorization twice, or two credentials in one       CredentialsAmbiguous
    over 8 KiB                                           Malformed, before anything else is looked at
    `Bearer` and nothing, or something with a space      Malformed

Never from the query string. What the token is made of is the verifier's question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from jotgate.errors import CredentialsAmbiguous, Malformed

MAX_TOKEN_BYTES = 8192
SUBPROTOCOL = "bearer."
_SCHEME = "bearer "
_MAX_HEADER = MAX_TOKEN_BYTES + len(_SCHEME)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, and where it stood."""

    token: str = field(repr=False)
    source: Literal["header", "cookie", "subprotocol"]


def from_header(value: str | bytes | None) -> str | None:
    """The token in one Authorization header; None where there is none for us."""
    if value is None:
        return None
    if len(value) > _MAX_HEADER:
        raise Malformed("the Authorization header is over 8 KiB")
    text = value if isinstance(value, str) else value.decode("latin-1")
    if text[:7].lower() != _SCHEME:
        if text.strip().lower() == _SCHEME.strip():
            raise Malformed("the Authorization header names the scheme and no token")
        return None
    token = text[7:].strip(" ")
    if "," in token:
        raise CredentialsAmbiguous("the Authorization header carries two credentials")
    return _checked(token)


def from_request(authorization: Sequence[str | bytes], cookie: str | None = None) -> Credentials | None:
    """The one credential of a request: all its Authorization headers, and the access cookie's value."""
    if len(authorization) > 1:
        raise CredentialsAmbiguous("more than one Authorization header")
    in_header = from_header(authorization[0]) if authorization else None
    in_cookie = _checked(cookie) if cookie else None
    if in_header is None:
        return None if in_cookie is None else Credentials(in_cookie, "cookie")
    if in_cookie not in (None, in_header):
        raise CredentialsAmbiguous("header and cookie carry different tokens")
    return Credentials(in_header, "header")


def from_subprotocols(offered: Sequence[str]) -> str | None:
    """The token among the subprotocols that a WebSocket offers, as `bearer.TOKEN`."""
    tokens = [name.removeprefix(SUBPROTOCOL) for name in offered if name.startswith(SUBPROTOCOL)]
    if len(tokens) > 1:
        raise CredentialsAmbiguous("more than one token among the subprotocols")
    return _checked(tokens[0]) if tokens else None


def _checked(token: str) -> str:
    if len(token) > MAX_TOKEN_BYTES:
        raise Malformed("the access token is over 8 KiB")
    if not token or not token.isascii() or " " in token or "\t" in token:
        raise Malformed("the credential is empty or holds a blank or no ASCII")
    return token
