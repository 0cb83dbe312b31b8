"""Claims in a signed token: encode, decode, expect (RFC 7519, RFC 8725).

`decode` says yes only if all of this holds, in this order: the token's size and form, its header (`jws`), the signature
by the one key that the header names, `typ`, strict JSON with every claim of its kind, then what `access_token` says.

Claims are decoded straight into a typed value, encoded again and compared: equal bytes are canonical, so no name was
repeated and nothing was left over. Our own tokens always are. All others go the slow, exact way.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from jotgate.errors import Malformed, Misuse, TypeMismatch
from jotgate.jose import access_token, jws, strictjson
from jotgate.jose.jwk import Key

MAX_LEEWAY = 60  # seconds
NOTHING: Mapping[str, Any] = MappingProxyType({})

_Text = Annotated[str, Meta(min_length=1)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Names = Annotated[tuple[_Name, ...], Meta(max_length=256)]
_Int = Annotated[int, Meta(gt=-(10**15), lt=10**15)]


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says. Claims without a field of their own are in `extra`, which cannot change."""

    iss: str
    sub: str
    aud: tuple[str, ...]
    iat: int
    exp: int
    jti: str | None = None
    sid: str | None = None
    scope: str | None = None  # separated by spaces
    roles: tuple[str, ...] = ()
    client_id: str | None = None
    epoch: int | None = None
    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    nbf: int | None = None
    extra: Mapping[str, Any] = NOTHING


class _Wire(Struct, frozen=True, omit_defaults=True, gc=False):
    """The same as it stands in the token, in the order in which we write it."""

    iss: _Text
    sub: _Text
    aud: _Text | _Names
    exp: _Int
    iat: _Int
    jti: _Text | UnsetType = UNSET
    client_id: _Text | UnsetType = UNSET
    sid: _Text | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    roles: _Names = ()
    epoch: _Int | UnsetType = UNSET
    auth_time: _Int | UnsetType = UNSET
    amr: _Names = ()
    nbf: _Int | UnsetType = UNSET


_OWN = frozenset(_Wire.__struct_fields__)
_read = msgspec.json.Decoder(_Wire).decode
_write = msgspec.json.Encoder().encode


class Expect(Struct, frozen=True):
    """What we ask of a token. `leeway` is 0 to 60 seconds; raises `Misuse`."""

    issuer: str
    audience: str
    typ: str = access_token.TYP
    leeway: int = 10
    max_lifetime: int = 86_400  # seconds from iat to exp

    def __post_init__(self) -> None:
        if not 0 <= self.leeway <= MAX_LEEWAY:
            raise Misuse(f"leeway must be 0 to {MAX_LEEWAY} seconds")
        if self.max_lifetime <= 0 or not self.issuer or not self.audience:
            raise Misuse("issuer and audience must be given and max_lifetime be positive")
        if jws.media_type(self.typ) != self.typ:
            raise Misuse("typ must be in lower case and without application/")


def encode(claims: Claims, key: Key, *, typ: str = access_token.TYP) -> str:
    """The signed token; header exactly `alg`, `kid`, `typ`. Raises `Misuse` for claims that `decode` would refuse."""
    return jws.seal(_segment(key, typ), to_json(claims), key)


def decode(token: str | bytes, keys: jws.Keys, expect: Expect, *, now: int) -> Claims:
    """The claims, once everything that `expect` asks is found true at `now`. Raises a `TokenError`."""
    header, payload = jws.unseal(token, keys)
    if header.typ != expect.typ:
        raise TypeMismatch("typ is another")
    claims = from_json(payload)
    access_token.check_parties(claims.iss, claims.aud, issuer=expect.issuer, audience=expect.audience)
    access_token.check_times(
        claims.exp, claims.iat, claims.nbf, now=now, leeway=expect.leeway, max_lifetime=expect.max_lifetime
    )
    return claims


def to_json(claims: Claims) -> bytes:
    """The payload. Raises `Misuse`."""
    wire = _Wire(
        claims.iss,
        claims.sub,
        claims.aud[0] if len(claims.aud) == 1 else claims.aud,
        claims.exp,
        claims.iat,
        _set(claims.jti),
        _set(claims.client_id),
        _set(claims.sid),
        _set(claims.scope),
        claims.roles,
        _set(claims.epoch),
        _set(claims.auth_time),
        claims.amr,
        _set(claims.nbf),
    )
    try:
        payload = _write(wire)
        if claims.extra:
            payload = _write(_read_any(payload) | _thaw(claims.extra, own=_OWN))
        from_json(payload)
    except (Malformed, ValueError, TypeError) as error:
        raise Misuse(f"these claims make no token: {error}") from None
    return payload


def from_json(payload: bytes) -> Claims:
    """The claims in a payload, each of its kind. Raises `Malformed`."""
    extra = NOTHING
    try:
        wire = _read(payload)
    except ValueError as error:
        raise Malformed(f"claims: {error}") from None
    if _write(wire) != payload:
        members = strictjson.loads(payload)
        try:
            wire = msgspec.convert(members, _Wire)
        except ValueError as error:
            raise Malformed(f"claims: {error}") from None
        extra = _freeze({name: value for name, value in members.items() if name not in _OWN})
    return _claims(wire, extra)


def _claims(wire: _Wire, extra: Mapping[str, Any]) -> Claims:
    access_token.check_subject(wire.sub)
    if wire.scope is not UNSET:
        access_token.check_scope(wire.scope)
    return Claims(
        iss=wire.iss,
        sub=wire.sub,
        aud=(wire.aud,) if isinstance(wire.aud, str) else wire.aud,
        iat=wire.iat,
        exp=wire.exp,
        jti=_given(wire.jti),
        sid=_given(wire.sid),
        scope=_given(wire.scope),
        roles=wire.roles,
        client_id=_given(wire.client_id),
        epoch=_given(wire.epoch),
        auth_time=_given(wire.auth_time),
        amr=wire.amr,
        nbf=_given(wire.nbf),
        extra=extra,
    )


def _given(value: Any) -> Any:
    return None if value is UNSET else value


def _set(value: Any) -> Any:
    return UNSET if value is None else value


_read_any = msgspec.json.Decoder(dict[str, Any]).decode


def _freeze(value: Any) -> Any:
    """JSON that cannot be changed: mappings become read-only, lists tuples."""
    if isinstance(value, dict):
        return MappingProxyType({name: _freeze(member) for name, member in value.items()})
    if isinstance(value, list):
        return tuple(_freeze(member) for member in value)
    return value


def _thaw(value: Any, *, own: frozenset[str] = frozenset()) -> Any:
    if isinstance(value, Mapping):
        if not own.isdisjoint(value):
            raise Misuse("extra names a claim that has a field of its own")
        return {name: _thaw(member) for name, member in value.items()}
    if isinstance(value, tuple | list):
        return [_thaw(member) for member in value]
    return value


# Bounded; only ever replaced whole or added to, so threads need no lock.
_MAX_SEGMENTS = 256
_segments: dict[tuple[str, str, str], bytes] = {}


def _segment(key: Key, typ: str) -> bytes:
    global _segments  # noqa: PLW0603 - replaced whole: a reader has the old or the new one
    name = (key.alg, key.kid, typ)
    segment = _segments.get(name)
    if segment is None:
        segment = jws.header_segment(key, {"typ": typ})
        if len(_segments) >= _MAX_SEGMENTS:
            _segments = {}
        _segments[name] = segment
    return segment
