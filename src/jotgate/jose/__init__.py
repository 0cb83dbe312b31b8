"""JOSE, the part of it that access tokens need: bytes in, values out; no clock, no network.

Public, and kept stable:

    from jotgate.jose import jwk, jwks, jws, jwt, new_key

    jwk.parse(source, alg=None) -> Key          a JWK as mapping or JSON
    jwk.export_public(key), jwk.thumbprint(key), jwk.public_half(key)
    jwk.to_private_bytes(key), jwk.from_private_bytes(alg, kid, data) -> Key
    jwks.parse(source) -> KeySet                a JWK set; jwks.of(*keys); KeySet.pick, .export
    jws.sign(payload, key, header={}) -> str    compact JWS
    jws.verify(token, keys) -> Verified         header and payload
    jwt.encode(claims, key) -> str              a token of Claims
    jwt.decode(token, keys, expect, now=...) -> Claims
    new_key(alg, kid=None) -> Key

Everything raises errors of `jotgate.errors` and nothing else: `TokenError` for tokens, `KeyRefused` for keys and key
sets, `Misuse` where the calling code asks for what can never be right. The other modules are this package's inside.
"""

from jotgate.jose import jwk, jwks, jws, jwt
from jotgate.jose.algs import ALGS
from jotgate.jose.jwk import Key
from jotgate.jose.jwks import KeySet
from jotgate.jose.jws import Verified
from jotgate.jose.jwt import Claims, Expect
from jotgate.jose.keygen import new_key

__all__ = ["ALGS", "Claims", "Expect", "Key", "KeySet", "Verified", "jwk", "jwks", "jws", "jwt", "new_key"]
