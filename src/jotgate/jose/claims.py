"""Claims: what a token says, and what is asked of it; JSON -> value -> JSON (RFC 7519 section 4, RFC 9068 section 2.2).

    claim                                 kind
    ------------------------------------  ------------------------------------------------------
    iss sub                               string, not empty (required)
    aud                                   string or list of strings, none empty (required)
    iat exp                               integer of at most 15 digits (required)
    nbf epoch auth_time                   integer of at most 15 digits
    jti client_id sid                     string, not empty
    scope                                 string of printable ASCII (RFC 6749 section 3.3)
    roles amr                             list of at most 256 strings of 1 to 256 characters
    all others                            any JSON, kept in `extra`

Claims are decoded straight into the typed value, encoded again and compared: equal bytes are canonical, so no name was
repeated and nothing was left over. Our own tokens always are. All others go the slow, exact way.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from jotgate.errors import Malformed, Misuse
from jotgate.jose import strictjson

MAX_LEEWAY = 60  # seconds
NOTHING: Mapping[str, Any] = MappingProxyType({})

Text = Annotated[str, Meta(min_length=1)]
Names = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(max_length=256)]
Integer = Annotated[int, Meta(gt=-(10**15), lt=10**15)]


class Claims(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a token says. Claims without a field of their own are in `extra`, which cannot change."""

    iss: Text
    sub: Text
    aud: Annotated[Names, Meta(min_length=1)]
    exp: Integer
    iat: Integer
    jti: Text | None = None
    client_id: Text | None = None
    sid: Text | None = None
    scope: str | None = None  # separated by spaces
    roles: Names = ()
    epoch: Integer | None = None
    auth_time: Integer | None = None
    amr: Names = ()
    nbf: Integer | None = None
    extra: Mapping[str, Any] = NOTHING


class Expect(Struct, frozen=True):
    """What we ask of a token; raises `Misuse`."""

    issuer: str
    audience: str  # the one that we are
    typ: str = "at+jwt"
    leeway: int = 10  # seconds, at most 60
    max_lifetime: int = 86_400  # seconds from iat to exp

    def __post_init__(self) -> None:
        if not 0 <= self.leeway <= MAX_LEEWAY:
            raise Misuse(f"leeway must be 0 to {MAX_LEEWAY} seconds")
        if self.max_lifetime <= 0 or not self.issuer or not self.audience:
            raise Misuse("issuer and audience must be given, and max_lifetime be positive")
        if self.typ != self.typ.lower().removeprefix("application/"):
            raise Misuse("typ must be in lower case and without application/")


_OWN = frozenset(Claims.__struct_fields__) - {"extra"}
_read = msgspec.json.Decoder(Claims).decode
_write = msgspec.json.Encoder().encode
_BACKSLASH, _DELETE = b"\\\x7f"
_control = re.compile("[\x00-\x1f\x7f-\x9f]").search


def read(payload: bytes) -> Claims:
    """The claims in a payload, each of its kind; raises `Malformed`."""
    try:
        claims = _read(payload)
        if claims.extra is not NOTHING or _write(claims) != payload:
            claims = _read_exactly(payload)
    except (ValueError, RecursionError):  # the slow way knows what is wrong, and how deep is too deep
        claims = _read_exactly(payload)
    # JSON has no raw control characters in strings: without these three, all its text is printable ASCII.
    if not payload.isascii() or _BACKSLASH in payload or _DELETE in payload:
        _check_characters(claims.sub, claims.scope)
    return claims


def _check_characters(sub: str, scope: str | None) -> None:
    if _control(sub):
        raise Malformed("control characters in sub")
    if scope is not None and not (scope.isascii() and scope.isprintable()):
        raise Malformed("scope holds more than printable ASCII")


def _read_exactly(payload: bytes) -> Claims:
    members = strictjson.loads(payload)
    own = {name: value for name, value in members.items() if name in _OWN}
    if None in own.values():
        raise Malformed("a claim is null")
    if isinstance(own.get("aud"), str):
        own["aud"] = (own["aud"],)
    if own.keys() != members.keys():
        own["extra"] = {name: value for name, value in members.items() if name not in _OWN}
    try:
        claims = msgspec.convert(own, Claims)
    except ValueError as error:
        raise Malformed(f"claims: {error}") from None
    return claims if claims.extra is NOTHING else msgspec.structs.replace(claims, extra=strictjson.freeze(claims.extra))


def write(claims: Claims) -> bytes:
    """The payload; raises `Misuse` for claims that `read` would refuse."""
    try:
        payload = _write(claims) if claims.extra is NOTHING else _write_all(claims)
        read(payload)
    except (Malformed, ValueError, TypeError) as error:
        raise Misuse(f"these claims make no token: {error}") from None
    return payload


def _write_all(claims: Claims) -> bytes:
    """The payload with what is in `extra` behind the claims that have fields."""
    extra = strictjson.thaw(claims.extra)
    if not _OWN.isdisjoint(extra):
        raise Misuse("extra names a claim that has a field of its own")
    payload = _write(msgspec.structs.replace(claims, extra=NOTHING))
    return payload[:-1] + b"," + _write(extra)[1:] if extra else payload
