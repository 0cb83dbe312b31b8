"""Keys and tokens that all contestants share: the same key, the same claims, the same text."""

import base64
import hashlib
import hmac
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

ISSUER = "https://auth.example.com"
AUDIENCE = "https://api.example.com"
ALGORITHMS = ("HS256", "RS256", "PS256", "ES256", "EdDSA", "ES384", "ML-DSA-44")
TOKENS = 64  # distinct texts, so that nobody lives off one

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Primitive:
    """The bare signature: what no library on top of it can be faster than."""

    sign: Callable[[bytes], bytes]
    verify: Callable[[bytes, bytes], object]  # (signature, data)
    raw: Callable[[bytes], bytes]  # the primitive's signature as JOSE writes it
    private: Any  # as peers take it
    public: Any
    jwk: Json


@dataclass(frozen=True, slots=True)
class Material:
    """One algorithm's key and tokens."""

    alg: str
    primitive: Primitive
    claims: Json
    tokens: tuple[str, ...]
    signed: tuple[tuple[bytes, bytes], ...]  # (signature as the primitive takes it, data), one a token

    def each_token(self) -> Callable[[], str]:
        """The next token, round and round."""
        return itertools.cycle(self.tokens).__next__

    def each_signed(self) -> Iterator[tuple[bytes, bytes]]:
        """The next signature and data, round and round."""
        return itertools.cycle(self.signed)


def make(alg: str) -> Material:
    """A fresh key and tokens of the size that an issuer gives out."""
    primitive = PRIMITIVES[alg]()
    claims = _claims()
    signed, tokens = [], []
    for number in range(TOKENS):
        header = {"alg": alg, "kid": "bench-1", "typ": "at+jwt"}
        payload = claims | {"jti": f"{number:032x}"}
        data = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload))
        signature = primitive.sign(data.encode())
        signed.append((signature, data.encode()))
        tokens.append(f"{data}.{b64(primitive.raw(signature))}")
    return Material(alg, primitive, claims, tuple(tokens), tuple(signed))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _claims() -> Json:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "sub": "01980d4a9f0c7e6b8a5d3c2b1a09f8e7",
        "aud": [AUDIENCE],
        "exp": now + 86_000,
        "iat": now,
        "jti": "0" * 32,
        "client_id": "jotgate",
        "sid": "01980d4a9f0d7c1d9e8f7a6b5c4d3e2f",
        "scope": "members:read payments:read",
        "roles": ["manager"],
        "epoch": now,
        "auth_time": now,
        "amr": ["pwd"],
    }


def _hs256() -> Primitive:
    secret = os.urandom(32)

    def sign(data: bytes) -> bytes:
        return hmac.digest(secret, data, hashlib.sha256)

    def verify(signature: bytes, data: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, data, hashlib.sha256), signature)

    jwk = OctKey.import_key(secret).as_dict(private=True)
    return Primitive(sign, verify, bytes, secret, secret, _named(jwk, "HS256"))


def _rsa(alg: str, pad: Callable[[], padding.AsymmetricPadding]) -> Primitive:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public, scheme, sha256 = private.public_key(), pad(), hashes.SHA256()
    jwk = RSAKey.import_key(private).as_dict(private=True)
    return Primitive(
        lambda data: private.sign(data, scheme, sha256),
        lambda signature, data: public.verify(signature, data, scheme, sha256),
        bytes, private, public, _named(jwk, alg),
    )  # fmt: skip


def _ecdsa(alg: str, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> Primitive:
    private = ec.generate_private_key(curve)
    public, scheme, size = private.public_key(), ec.ECDSA(digest), (curve.key_size + 7) // 8

    def raw(signature: bytes) -> bytes:
        return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(signature))

    jwk = ECKey.import_key(private).as_dict(private=True)
    return Primitive(
        lambda data: private.sign(data, scheme),
        lambda signature, data: public.verify(signature, data, scheme),
        raw, private, public, _named(jwk, alg),
    )  # fmt: skip


def _eddsa() -> Primitive:
    private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key()
    jwk = OKPKey.import_key(private).as_dict(private=True)
    return Primitive(private.sign, public.verify, bytes, private, public, _named(jwk, "EdDSA"))


def _mldsa() -> Primitive:
    private = mldsa.MLDSA44PrivateKey.generate()
    public = private.public_key()
    jwk = {"kty": "AKP", "pub": b64(public.public_bytes_raw()), "priv": b64(private.private_bytes_raw())}
    return Primitive(private.sign, public.verify, bytes, private, public, _named(jwk, "ML-DSA-44"))


def _named(jwk: Any, alg: str) -> Json:
    return {**jwk, "kid": "bench-1", "alg": alg}


PRIMITIVES: dict[str, Callable[[], Primitive]] = {
    "HS256": _hs256,
    "RS256": lambda: _rsa("RS256", padding.PKCS1v15),
    "PS256": lambda: _rsa("PS256", lambda: padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)),
    "ES256": lambda: _ecdsa("ES256", ec.SECP256R1(), hashes.SHA256()),
    "EdDSA": _eddsa,
    "ES384": lambda: _ecdsa("ES384", ec.SECP384R1(), hashes.SHA384()),
    "ML-DSA-44": _mldsa,
}
