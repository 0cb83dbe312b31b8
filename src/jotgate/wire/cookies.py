"""Cookies of the cookie transport: names, attributes, reading (RFC 6265bis).

    cookie                   plain-http loopback    Path             SameSite    HttpOnly
    ------                   -------------------    ----             --------    --------
    __Host-jotgate-at        jotgate-at             /                Lax         yes
    __Secure-jotgate-rt      jotgate-rt             refresh route    Strict      yes
    __Host-jotgate-csrf      jotgate-csrf           /                Lax         no: the page mirrors it in X-CSRF-Token

All are `Secure` but on plain-http loopback, where browsers would refuse the prefixes.
"""

from dataclasses import dataclass, field
from urllib.parse import quote

from jotgate.errors import CredentialsAmbiguous


@dataclass(frozen=True, slots=True)
class Names:
    """How the three cookies are called here."""

    access: str
    refresh: str
    csrf: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a request's cookies hold for us; empty values count as absent."""

    access: str | None = field(default=None, repr=False)
    refresh: str | None = field(default=None, repr=False)
    csrf: str | None = field(default=None, repr=False)


_PATH = "/%:@!$&'()*+,=~"  # what a path may hold (RFC 3986 section 3.3), but the semicolon that would end the attribute
_SECURE = Names("__Host-jotgate-at", "__Secure-jotgate-rt", "__Host-jotgate-csrf")
_PLAIN = Names("jotgate-at", "jotgate-rt", "jotgate-csrf")


def names(secure: bool) -> Names:  # noqa: FBT001  # the one question
    """The names on https, or on plain-http loopback."""
    return _SECURE if secure else _PLAIN


def set_access(token: str, *, seconds: int, secure: bool) -> str:
    """The Set-Cookie value for the access token."""
    return f"{names(secure).access}={token}; Path=/; Max-Age={seconds}; SameSite=Lax; HttpOnly{_tail(secure=secure)}"


def set_refresh(token: str, *, seconds: int, secure: bool, path: str) -> str:
    """The Set-Cookie value for the refresh token; `path`: the refresh route, mount point included."""
    attributes = f"Path={quote(path, safe=_PATH)}; Max-Age={seconds}; SameSite=Strict; HttpOnly{_tail(secure=secure)}"
    return f"{names(secure).refresh}={token}; {attributes}"


def set_csrf(value: str, *, seconds: int, secure: bool) -> str:
    """The Set-Cookie value for the `csrf` claim's mirror; it must live as long as the longer of the two tokens."""
    return f"{names(secure).csrf}={value}; Path=/; Max-Age={seconds}; SameSite=Lax{_tail(secure=secure)}"


def clear(*, secure: bool, path: str) -> tuple[str, str, str]:
    """The Set-Cookie values that remove all three; `path` as in `set_refresh`."""
    return (
        set_access("", seconds=0, secure=secure),
        set_refresh("", seconds=0, secure=secure, path=path),
        set_csrf("", seconds=0, secure=secure),
    )


def parse(header: str, *, secure: bool) -> Found:
    """Our cookies in a Cookie header (several joined by `; `). Raises `CredentialsAmbiguous` for one twice."""
    ours = names(secure)
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, _, value = pair.strip(" \t").partition("=")
        if name not in (ours.access, ours.refresh, ours.csrf):
            continue
        if name in found:
            raise CredentialsAmbiguous(f"the cookie {name} is there twice")
        found[name] = value.strip(" \t")
    return Found(found.get(ours.access) or None, found.get(ours.refresh) or None, found.get(ours.csrf) or None)


def _tail(*, secure: bool) -> str:
    return "; Secure" if secure else ""
