"""Other people's libraries: what they say of a token, and tokens of theirs.

library    algorithms
---------  --------------------------------------------------------
PyJWT      HS*, RS*, PS*, ES*, EdDSA
joserfc    the same, Ed25519
jwcrypto   the same, Ed25519, ML-DSA
"""

import warnings
from collections.abc import Callable
from typing import Any

import joserfc.jwt
import jwcrypto.jwk
import jwcrypto.jwt
import jwt as pyjwt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry

from jotgate.jose import ALGS, Key, b64, jwk
from tests.jose.keys import AUDIENCE, ISSUER

_CLASSIC = tuple(alg for alg in ALGS if alg != "Ed25519" and not alg.startswith("ML-DSA"))
SUPPORTED = {"PyJWT": _CLASSIC, "joserfc": (*_CLASSIC, "Ed25519"), "jwcrypto": tuple(ALGS)}


def pem(key: Key) -> bytes:
    """The private half as PKCS #8."""
    data: bytes = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return data


def public_jwk(key: Key) -> dict[str, Any]:
    """What verifies: of a secret the secret."""
    members: dict[str, Any] = dict(jwk.export_public(key))
    return members | {"k": b64.encode(key.private)} if key.kty == "oct" else members


# --- verifying: the claims, or nothing where they refuse; times are not theirs to judge


def pyjwt_reads(token: str, key: Key) -> dict[str, Any] | None:
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp", "iat", "sub"]}
    secret = key.private if key.kty == "oct" else key.public
    try:
        return pyjwt.decode(token, secret, [key.alg], audience=AUDIENCE, issuer=ISSUER, options=options)
    except pyjwt.PyJWTError:
        return None


def joserfc_reads(token: str, key: Key) -> dict[str, Any] | None:
    registry = JWSRegistry(algorithms=[key.alg], strict_check_header=False)
    try:
        with warnings.catch_warnings(action="ignore"):  # it deprecates the name EdDSA
            read = joserfc.jwt.decode(token, import_key(public_jwk(key)), registry=registry)
    except (JoseError, ValueError):
        return None
    aud = read.claims.get("aud")
    ours = read.claims.get("iss") == ISSUER and AUDIENCE in (aud if isinstance(aud, list) else [aud])
    return dict(read.claims) if ours else None


def jwcrypto_reads(token: str, key: Key) -> dict[str, Any] | None:
    try:
        read = jwcrypto.jwt.JWT(algs=[key.alg], check_claims={"iss": ISSUER, "aud": AUDIENCE, "exp": None})
        read.leeway = 10**12
        read.deserialize(token, jwcrypto.jwk.JWK(**public_jwk(key)))
    except (jwcrypto.common.JWException, ValueError):
        return None
    claims: dict[str, Any] = jwcrypto.common.json_decode(read.claims)
    return claims


READERS: dict[str, Callable[[str, Key], dict[str, Any] | None]] = {
    "PyJWT": pyjwt_reads,
    "joserfc": joserfc_reads,
    "jwcrypto": jwcrypto_reads,
}


# --- signing


def pyjwt_signs(claims: dict[str, Any], key: Key) -> str:
    secret = key.private if key.kty == "oct" else pem(key)
    return pyjwt.encode(claims, secret, key.alg, headers={"kid": key.kid, "typ": "at+jwt"})


def joserfc_signs(claims: dict[str, Any], key: Key) -> str:
    kty: Any = key.kty
    private: Any = import_key(public_jwk(key)) if kty == "oct" else import_key(pem(key), kty)
    head = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt"}
    with warnings.catch_warnings(action="ignore"):
        return joserfc.jwt.encode(head, claims, private, algorithms=[key.alg])


def jwcrypto_signs(claims: dict[str, Any], key: Key) -> str:
    if key.kty == "AKP":
        private = jwcrypto.jwk.JWK(**public_jwk(key), priv=b64.encode(key.private.private_bytes_raw()))
    else:
        private = jwcrypto.jwk.JWK(**public_jwk(key)) if key.kty == "oct" else jwcrypto.jwk.JWK.from_pem(pem(key))
    token = jwcrypto.jwt.JWT(header={"alg": key.alg, "kid": key.kid, "typ": "at+jwt"}, claims=claims, algs=[key.alg])
    token.make_signed_token(private)
    return str(token.serialize())


SIGNERS: dict[str, Callable[[dict[str, Any], Key], str]] = {
    "PyJWT": pyjwt_signs,
    "joserfc": joserfc_signs,
    "jwcrypto": jwcrypto_signs,
}
