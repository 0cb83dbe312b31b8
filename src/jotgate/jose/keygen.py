"""New keys: the one file of this floor that rolls dice."""

import secrets
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from jotgate.errors import KeyRefused
from jotgate.jose import jwk
from jotgate.jose.algs import ALGS, Alg
from jotgate.jose.jwk import Key
from jotgate.jose.keytypes import CURVES

RSA_BITS = 2048

_NEW: dict[str, Callable[[Alg], Any]] = {
    "RSA": lambda _alg: rsa.generate_private_key(65537, RSA_BITS),
    "EC": lambda alg: ec.generate_private_key(CURVES[alg.crv or ""]),
    "OKP": lambda _alg: ed25519.Ed25519PrivateKey.generate(),
    "AKP": lambda alg: alg.kind[0].generate(),
}


def new_key(alg: str, kid: str | None = None) -> Key:
    """A new key for this algorithm; without `kid` it is called by its thumbprint. Raises `KeyRefused`."""
    row = ALGS.get(alg)
    if row is None:
        raise KeyRefused("no such algorithm")
    if row.kty == "oct":
        return jwk.build(row, None, secrets.token_bytes(row.secret_bytes), kid=kid)
    private = _NEW[row.kty](row)
    return jwk.build(row, private.public_key(), private, kid=kid)
