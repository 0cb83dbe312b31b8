"""Claims in a signed token: encode and decode (RFC 7519, RFC 8725).

`decode` says yes only if all of this holds, in this order: the token's size and form and its header (`jws`), the
signature by the one key that the header names, `typ`, strict JSON with every claim of its kind (`claims`), and what
`access_token` asks.
"""

from functools import lru_cache

from jotgate.errors import TypeMismatch
from jotgate.jose import access_token, claims, jws
from jotgate.jose.claims import Claims, Expect
from jotgate.jose.jwk import Key

__all__ = ["Claims", "Expect", "decode", "encode"]


def encode(said: Claims, key: Key, *, typ: str = "at+jwt") -> str:
    """The signed token; header exactly `alg`, `kid`, `typ`. Raises `Misuse` for claims that `decode` would refuse."""
    return jws.seal(_segment(key.alg, key.kid, typ), claims.write(said), key)


def decode(token: str | bytes, keys: jws.Keys, expect: Expect, *, now: int) -> Claims:
    """The claims, once everything that `expect` asks is found true at `now`. Raises a `TokenError`."""
    header, payload = jws.unseal(token, keys)
    if header.typ != expect.typ:
        raise TypeMismatch("typ is another")
    said = claims.read(payload)
    access_token.check(said, expect, now)
    return said


@lru_cache(maxsize=256)
def _segment(alg: str, kid: str, typ: str) -> bytes:
    return jws.header_segment(alg, kid, {"typ": typ})
