"""The peers at their best: keys prepared beforehand, one algorithm allowed, the same claims demanded as we demand."""

import warnings
from collections.abc import Callable
from typing import Any

import jwt as pyjwt
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry

from benchmarks.material import AUDIENCE, ISSUER, Material
from benchmarks.measure import Call

REQUIRED = ["iss", "sub", "aud", "exp", "iat"]
PYJWT_KNOWS = {"HS256", "RS256", "PS256", "ES256", "EdDSA", "ES384"}
JOSERFC_KNOWS = PYJWT_KNOWS
# joserfc warns that RFC 9864 renamed EdDSA, each time it is used.
warnings.filterwarnings("ignore", category=SecurityWarning)
HEADER = {"kid": "bench-1", "typ": "at+jwt"}


def verifiers(material: Material) -> dict[str, Call]:
    """Who can verify this algorithm, each from text to checked claims; the primitive verifies the signature only."""
    return {name: make(material) for name, make in VERIFY.items() if material.alg in KNOWS[name]} | {
        "primitive": _primitive_verify(material)
    }


def signers(material: Material) -> dict[str, Call]:
    """Who can sign it, each from claims to text; the primitive signs bytes."""
    data = material.signed[0][1]
    sign = material.primitive.sign
    return {name: make(material) for name, make in SIGN.items() if material.alg in KNOWS[name]} | {
        "primitive": lambda: sign(data)
    }


def _primitive_verify(material: Material) -> Call:
    each, verify = material.each_signed(), material.primitive.verify

    def call() -> object:
        signature, data = next(each)
        return verify(signature, data)

    return call


def _pyjwt_verify(material: Material) -> Call:
    token, public, algorithms = material.each_token(), material.primitive.public, [material.alg]
    options: Any = {"require": REQUIRED}
    decode = pyjwt.PyJWT().decode
    return lambda: decode(token(), public, algorithms, options, audience=AUDIENCE, issuer=ISSUER, leeway=10)


def _pyjwt_sign(material: Material) -> Call:
    private, claims, alg = material.primitive.private, material.claims, material.alg
    encode = pyjwt.PyJWT().encode
    return lambda: encode(claims, private, alg, HEADER)


def _joserfc_verify(material: Material) -> Call:
    token, key = material.each_token(), import_key(material.primitive.jwk)
    registry = JWSRegistry(algorithms=[material.alg])
    checks = joserfc_jwt.JWTClaimsRegistry(
        leeway=10,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )

    def call() -> object:
        claims = joserfc_jwt.decode(token(), key, registry=registry).claims
        checks.validate(claims)
        return claims

    return call


def _joserfc_sign(material: Material) -> Call:
    key, claims = import_key(material.primitive.jwk), material.claims
    header = {"alg": material.alg, **HEADER}
    registry = JWSRegistry(algorithms=[material.alg])
    return lambda: joserfc_jwt.encode(header, claims, key, registry=registry)


KNOWS = {"PyJWT": PYJWT_KNOWS, "joserfc": JOSERFC_KNOWS}
VERIFY: dict[str, Callable[[Material], Call]] = {"PyJWT": _pyjwt_verify, "joserfc": _joserfc_verify}
SIGN: dict[str, Callable[[Material], Call]] = {"PyJWT": _pyjwt_sign, "joserfc": _joserfc_sign}
