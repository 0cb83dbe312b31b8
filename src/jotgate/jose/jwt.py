"""Claims in a signed token: encode and decode (RFC 7519, RFC 8725).

`decode` says yes only if all of this holds, in this order: the token's size and form and its header (`jws`), the
signature by the one key that the header names, `typ`, strict JSON with every claim of its kind (`claims`), and what
`access_token` asks.
"""

from functools import lru_cache

from jotgate.errors import TypeMismatch
from jotgate.jose.access_token import check
from jotgate.jose.claims import Claims, Expect, read, write
from jotgate.jose.jwk import Key
from jotgate.jose.jws import Keys, header_segment, seal, unseal

__all__ = ["Claims", "Expect", "decode", "encode"]


def encode(claims: Claims, key: Key, *, typ: str = "at+jwt") -> str:
    """The signed token; header exactly `alg`, `kid`, `typ`. Raises `Misuse` for claims that `decode` would refuse."""
    return seal(_segment(key.alg, key.kid, typ), write(claims), key)


def decode(token: str | bytes, keys: Keys, expect: Expect, *, now: int) -> Claims:
    """The claims, once everything that `expect` asks is found true at `now`. Raises a `TokenError`."""
    header, payload = unseal(token, keys)
    if header.typ != expect.typ:
        raise TypeMismatch("typ is another")
    claims = read(payload)
    check(claims, expect, now)
    return claims


@lru_cache(maxsize=256)
def _segment(alg: str, kid: str, typ: str) -> bytes:
    return header_segment(alg, kid, {"typ": typ})
