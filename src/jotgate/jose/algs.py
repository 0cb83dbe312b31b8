"""The algorithm table: a name -> its kind of key, how to sign, how to verify (RFC 7518, 8037, 9864, 9964).

    name                 kty   curve             signature
    -------------------  ----  ----------------  ---------------------------------------
    HS256 HS384 HS512    oct                     HMAC, secret at least the hash's size
    RS256 RS384 RS512    RSA                     PKCS #1 v1.5
    PS256 PS384 PS512    RSA                     PSS, salt of the hash's size
    ES256 ES384 ES512    EC    P-256 P-384 P-521 r and s, each of the curve's size
    EdDSA, Ed25519       OKP   Ed25519           EdDSA is the old name (RFC 9864)
    ML-DSA-44 -65 -87    AKP                     where `cryptography` has them

This is the only list of algorithms: `none` is not in it. A key has exactly one of these names, so a key named `EdDSA`
refuses a header that says `Ed25519`, and the reverse.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hmac import HMAC

from jotgate.errors import SignatureInvalid

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], None]  # (signature, data); raises SignatureInvalid


@dataclass(frozen=True, slots=True)
class Alg:
    """One row: `sign(private)` and `verify(public)` give the functions that a key keeps (an HMAC's secret is both)."""

    name: str
    kty: str
    crv: str | None
    sign: Callable[[Any], Sign]
    verify: Callable[[Any], Verify]
    secret_bytes: int = 0  # HMAC: the shortest secret
    kind: Any = None  # ML-DSA: (private class, public class)


def _hmac(name: str, algorithm: hashes.HashAlgorithm) -> Alg:
    def sign(secret: bytes) -> Sign:
        prepared = HMAC(secret, algorithm)

        def signer(data: bytes) -> bytes:
            mac = prepared.copy()
            mac.update(data)
            return mac.finalize()

        return signer

    def verify(secret: bytes) -> Verify:
        prepared = HMAC(secret, algorithm)

        def verifier(signature: bytes, data: bytes) -> None:
            mac = prepared.copy()
            mac.update(data)
            try:
                mac.verify(signature)
            except InvalidSignature:
                raise SignatureInvalid("the MAC does not match") from None

        return verifier

    return Alg(name, "oct", None, sign, verify, secret_bytes=algorithm.digest_size)


def _rsa(name: str, algorithm: hashes.HashAlgorithm, pad: padding.AsymmetricPadding) -> Alg:
    def sign(private: Any) -> Sign:
        raw = private.sign
        return lambda data: raw(data, pad, algorithm)

    def verify(public: Any) -> Verify:
        raw = public.verify
        size = (public.key_size + 7) // 8
        digest = getattr(hashlib, algorithm.name)  # half a microsecond faster than letting `raw` hash
        hashed = Prehashed(algorithm)

        def verifier(signature: bytes, data: bytes) -> None:
            # RFC 8017 section 8.1.2 step 1: OpenSSL takes a PSS signature without its leading zeros.
            if len(signature) != size:
                raise SignatureInvalid("the RSA signature is not as long as the modulus")
            try:
                raw(signature, digest(data).digest(), pad, hashed)
            except InvalidSignature:
                raise SignatureInvalid("the RSA signature does not match") from None

        return verifier

    return Alg(name, "RSA", None, sign, verify)


def _pss(name: str, algorithm: hashes.HashAlgorithm) -> Alg:
    # RFC 7518 section 3.5: MGF1 with the same hash, salt as long as its output.
    return _rsa(name, algorithm, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size))


def _ecdsa(name: str, crv: str, algorithm: hashes.HashAlgorithm, order: int) -> Alg:
    size = (order.bit_length() + 7) // 8
    zero, limit = bytes(size), order.to_bytes(size, "big")
    scheme = ec.ECDSA(algorithm)

    def sign(private: Any) -> Sign:
        raw = private.sign
        return lambda data: from_der(raw(data, scheme), size)

    def verify(public: Any) -> Verify:
        raw = public.verify

        def verifier(signature: bytes, data: bytes) -> None:
            r, s = signature[:size], signature[size:]
            # Equal lengths: bytes compare as the numbers do. Zero or the order and above are never valid.
            if len(s) != size or not zero < r < limit or not zero < s < limit:
                raise SignatureInvalid("r or s is out of range")
            try:
                raw(to_der(r, s), data, scheme)
            except InvalidSignature:
                raise SignatureInvalid("the ECDSA signature does not match") from None

        return verifier

    return Alg(name, "EC", crv, sign, verify)


def to_der(r: bytes, s: bytes) -> bytes:
    """Two positive big-endian numbers as the DER that OpenSSL reads (RFC 3279 section 2.2.3)."""
    r, s = r.lstrip(b"\0"), s.lstrip(b"\0")
    if r[0] > 127:
        r = b"\0" + r
    if s[0] > 127:
        s = b"\0" + s
    size = len(r) + len(s) + 4
    head = b"\x30" + size.to_bytes(1) if size < 128 else b"\x30\x81" + size.to_bytes(1)
    return b"%b\x02%c%b\x02%c%b" % (head, len(r), r, len(s), s)


def from_der(der: bytes, size: int) -> bytes:
    """OpenSSL's DER as r and s of `size` bytes each (RFC 7518 section 3.4)."""
    start = 4 if der[1] < 128 else 5
    middle = start + der[start - 1]
    r, s = der[start:middle], der[middle + 2 :]
    return r[-size:].rjust(size, b"\0") + s[-size:].rjust(size, b"\0")


def _pure(name: str, kty: str, *, crv: str | None = None, kind: Any = None) -> Alg:
    def sign(private: Any) -> Sign:
        return private.sign  # type: ignore[no-any-return]

    def verify(public: Any) -> Verify:
        raw = public.verify

        def verifier(signature: bytes, data: bytes) -> None:
            try:
                raw(signature, data)
            except InvalidSignature:
                raise SignatureInvalid("the signature does not match") from None

        return verifier

    return Alg(name, kty, crv, sign, verify, kind=kind)


def _ml_dsa() -> tuple[Alg, ...]:
    """Nothing where `cryptography` is older than ML-DSA, or its OpenSSL."""
    try:
        mldsa: Any = import_module("cryptography.hazmat.primitives.asymmetric.mldsa")
        mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    except (ImportError, UnsupportedAlgorithm):
        return ()
    return (
        _pure("ML-DSA-44", "AKP", kind=(mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey)),
        _pure("ML-DSA-65", "AKP", kind=(mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey)),
        _pure("ML-DSA-87", "AKP", kind=(mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey)),
    )


# The orders of the NIST curves (SP 800-186 section 3.2.1).
_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P384 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
_P521 = int("01FF" + "FF" * 31 + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16)

ALGS: dict[str, Alg] = {
    alg.name: alg
    for alg in (
        _hmac("HS256", hashes.SHA256()),
        _hmac("HS384", hashes.SHA384()),
        _hmac("HS512", hashes.SHA512()),
        _rsa("RS256", hashes.SHA256(), padding.PKCS1v15()),
        _rsa("RS384", hashes.SHA384(), padding.PKCS1v15()),
        _rsa("RS512", hashes.SHA512(), padding.PKCS1v15()),
        _pss("PS256", hashes.SHA256()),
        _pss("PS384", hashes.SHA384()),
        _pss("PS512", hashes.SHA512()),
        _ecdsa("ES256", "P-256", hashes.SHA256(), _P256),
        _ecdsa("ES384", "P-384", hashes.SHA384(), _P384),
        _ecdsa("ES512", "P-521", hashes.SHA512(), _P521),
        _pure("EdDSA", "OKP", crv="Ed25519"),
        _pure("Ed25519", "OKP", crv="Ed25519"),
        *_ml_dsa(),
    )
}
