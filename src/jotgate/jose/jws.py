"""Compact JWS: sign bytes, verify and give them back (RFC 7515).

A header is refused that is over 1 KiB, is not strict JSON, has a member of the wrong kind, has no algorithm known here,
or says `crit`, `b64` or `zip` (none of which is understood). `jku`, `jwk`, `x5u` and `x5c` are never followed: they
mean as little as unknown names. `kid` is a name in the key set and nothing else.

A key set remembers the header segments that stood under a good signature, parsed, with the key they picked: neither
ever changes. Whether that key signed this token is asked every time.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from jotgate.errors import Malformed, Misuse, SignatureInvalid
from jotgate.jose import b64, strictjson
from jotgate.jose.algs import ALGS
from jotgate.jose.b64 import decode
from jotgate.jose.jwk import Key

MAX_TOKEN = 8192  # bytes, before anything is parsed
MAX_HEADER = 1024  # bytes, decoded
_TOO_LONG = f"a token of more than {MAX_TOKEN} bytes"
_MAX_SEGMENT = (MAX_HEADER * 4 + 2) // 3
_MAX_KNOWN = 64
_NOT_UNDERSTOOD = frozenset({"crit", "b64", "zip"})
_KINDS: dict[str, type] = {
    **dict.fromkeys(("kid", "typ", "cty", "jku", "x5u", "x5t", "x5t#S256"), str),
    "jwk": dict,
    "x5c": list,
}


class Header(msgspec.Struct, frozen=True):
    """A parsed header: what verifying needs."""

    alg: str
    kid: str | None
    typ: str | None  # as a media type in lower case, without `application/`
    members: Mapping[str, Any]  # read-only: headers are remembered


class Verified(msgspec.Struct, frozen=True):
    """What a good signature covers."""

    header: Mapping[str, Any]
    payload: bytes


class Keys(Protocol):
    """A `Key` or a `KeySet`."""

    @property
    def known(self) -> dict[bytes, Any]:
        """What `unseal` remembers: header segment -> parsed header, `verify` of the key it picks."""
        ...

    def pick(self, kid: str | None, alg: str) -> Key:
        """The key for this name and algorithm; raises `UnknownKey` or `SignatureInvalid`."""
        ...


def sign(payload: bytes, key: Key, *, header: Mapping[str, Any] | None = None) -> str:
    """The compact token. `header` adds to `alg` and `kid`, which are the key's. Raises `Misuse`, `KeyRefused`."""
    return seal(header_segment(key.alg, key.kid, header or {}), payload, key)


def header_segment(alg: str, kid: str, more: Mapping[str, Any]) -> bytes:
    """The first segment; raises `Misuse` where the header would be refused by `verify`."""
    if not more.keys().isdisjoint({"alg", "kid"} | _NOT_UNDERSTOOD):
        raise Misuse("alg and kid are the key's; crit, b64 and zip are not understood")
    data = strictjson.dumps({"alg": alg, "kid": kid, **strictjson.thaw(more)})
    if len(data) > MAX_HEADER:
        raise Misuse("the header is too long")
    return b64.encode_bytes(data)


def seal(segment: bytes, payload: bytes, key: Key) -> str:
    """Header segment and payload, signed."""
    signed = segment + b"." + b64.encode_bytes(payload)
    token = signed + b"." + b64.encode_bytes(key.sign(signed))
    if len(token) > MAX_TOKEN:
        raise Misuse("the token is too long")
    return token.decode("ascii")


def verify(token: str | bytes, keys: Keys) -> Verified:
    """Header and payload, once the signature is found good. Raises `Malformed`, `UnknownKey` or `SignatureInvalid`."""
    header, payload = unseal(token, keys)
    return Verified(header.members, payload)


def unseal(token: str | bytes, keys: Keys) -> tuple[Header, bytes]:
    """As `verify`, with the parsed header."""
    try:
        if len(token) > MAX_TOKEN:
            raise Malformed(_TOO_LONG)
        data = token if type(token) is bytes else token.encode("ascii")  # type: ignore[union-attr] # see below
    except (UnicodeEncodeError, AttributeError, TypeError):  # what has no length or cannot be encoded is no text
        raise Malformed("not ASCII text") from None
    signed, _, signature = data.rpartition(b".")
    segment, _, payload = signed.partition(b".")
    known = keys.known.get(segment)
    if known is None:
        return _first(segment, keys, signed, signature), decode(payload)
    header, check = known
    check(decode(signature), signed)
    return header, decode(payload)


def _first(segment: bytes, keys: Keys, signed: bytes, signature: bytes) -> Header:
    """A header that these keys have not seen under a good signature: it is remembered if this one is."""
    header = parse_header(segment)
    check = keys.pick(header.kid, header.alg).verify
    check(decode(signature), signed)
    if len(keys.known) >= _MAX_KNOWN:
        keys.known.clear()
    keys.known[segment] = header, check
    return header


def peek(token: str | bytes) -> Header:
    """The header of a token nobody has verified: for messages and tests, never to decide. Raises `Malformed`."""
    if isinstance(token, str | bytes) and len(token) > MAX_TOKEN:
        raise Malformed(_TOO_LONG)
    data = token if isinstance(token, bytes) else b64.ascii_bytes(token)
    return parse_header(data.partition(b".")[0])


def parse_header(segment: bytes) -> Header:
    """The header that a segment holds; raises `Malformed`, or `SignatureInvalid` for an algorithm that is not known."""
    if len(segment) > _MAX_SEGMENT:
        raise Malformed(f"a header of more than {MAX_HEADER} bytes")
    members = strictjson.loads(b64.decode(segment), max_bytes=MAX_HEADER)
    alg, kid, typ = members.get("alg"), members.get("kid"), members.get("typ")
    if not isinstance(alg, str):
        raise Malformed("alg must be a string")
    for name, member in members.items():
        if not isinstance(member, _KINDS.get(name, object)):
            raise Malformed(f"{name} is of the wrong kind")
    if not _NOT_UNDERSTOOD.isdisjoint(members):
        raise Malformed("the header asks for what is not understood here")
    if alg not in ALGS:
        raise SignatureInvalid("the header names no algorithm that is known here")
    return Header(alg, kid, None if typ is None else media_type(typ), strictjson.freeze(members))


def media_type(typ: str) -> str:
    """A `typ` for comparing: any letter case, `application/` may be left out (RFC 7515 section 4.1.9)."""
    return typ.lower().removeprefix("application/") if typ.isascii() else typ
