"""Keys that must not be used though they are well formed: ROCA, small order, guessable secrets.

key        refused
---------  ------------------------------------------------------------------------
RSA        not 2048 to 4096 bits, e not 65537, a small factor, ROCA (CVE-2017-15361)
Ed25519    not a canonical point of the curve, or one of small order
oct        shorter than the hash, few different bytes, a pattern repeated, counting,
           well-known words, the text or DER of a public key or certificate
"""

import re
from binascii import a2b_base64
from collections.abc import Callable
from itertools import pairwise

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import load_der_x509_certificate

from jotgate.errors import KeyRefused

# ROCA (Nemec et al., 2017): the moduli of Infineon's chips are powers of 65537 modulo every small prime.
_ROCA_PRIMES = (
    *(3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107),
    *(109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167),
)
_ROCA_RESIDUES = tuple((p, frozenset(pow(65537, i, p) for i in range(p))) for p in _ROCA_PRIMES)

_ED25519_P = 2**255 - 19
_ED25519_D = -121665 * pow(121666, -1, _ED25519_P) % _ED25519_P

_ARMOUR = (b"-----BEGIN ", b"---- BEGIN SSH2", b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")
_WORDS = re.compile(
    "qwertyuiop|asdfghjkl|zxcvbnm|qwerty|asdfgh|1234567890?|123456?|abcdefghijklmnopqrstuvwxyz|abcdefg?|"
    "supersecret|super|very|highly|top|secrets?|secure|insecure|unsafe|django|flask|fastapi|rails|laravel|node|spring|"
    "password|passwd|passphrase|pass|change|replace|please|this|that|not|use|used|production|prod|development|dev|"
    "default|example|sample|testing|test|demo|dummy|temp|foo|bar|baz|private|public|shared|random|generated|"
    "signing|signature|sign|tokens?|access|refresh|json|web|jwt|jwk|auth|api|app|admin|root|user|login|server|"
    "hello|world|letmein|welcome|iloveyou|monkey|dragon|correct|horse|battery|staple|lorem|ipsum|dolor|"
    "with|must|should|least|enough|bytes?|characters?|chars?|bits?|long|length|keys?|your|you|the|and|here|value|string|"
    "something|anything|from|for|please|hs256|hs384|hs512|sha256|hmac|128|256|384|512|2048"
)
_LONGEST = 1024  # bytes
_MIN_DISTINCT = 8  # 32 random bytes have fewer different values once in 10^36


def check_rsa(n: int, e: int) -> None:
    """Raises `KeyRefused` unless the modulus is of a size and making that can be trusted."""
    if not 2048 <= n.bit_length() <= 4096:
        raise KeyRefused("RSA keys must have 2048 to 4096 bits")
    if e != 65537:
        raise KeyRefused("RSA keys must have the exponent 65537")
    if any(n % p == 0 for p in (2, *_ROCA_PRIMES)):
        raise KeyRefused("the RSA modulus has a small factor")
    if all(n % p in residues for p, residues in _ROCA_RESIDUES):
        raise KeyRefused("this RSA key comes from a broken generator (ROCA)")


def check_ed25519(point: bytes) -> None:
    """Raises `KeyRefused` unless the 32 bytes are a point of the curve of large order (RFC 8032)."""
    y = int.from_bytes(point, "little") & ((1 << 255) - 1)
    sign = point[31] >> 7
    if y >= _ED25519_P:
        raise KeyRefused("not a canonical point of Ed25519")
    square = (y * y - 1) * pow(_ED25519_D * y * y + 1, -1, _ED25519_P) % _ED25519_P
    if pow(square, (_ED25519_P - 1) // 2, _ED25519_P) == _ED25519_P - 1 or (square == 0 and sign):
        raise KeyRefused("not a point of Ed25519")
    if _small_order(y, square):
        raise KeyRefused("an Ed25519 point of small order signs nothing")


def _small_order(y: int, square: int) -> bool:
    """Is 8 times the point the neutral one? Only y and x squared are needed to double three times.

    Doubling: y' = (y^2 + x^2) / (2 - y^2 + x^2) and x'^2 = 4 x^2 y^2 / (y^2 - x^2)^2 on -x^2 + y^2 = 1 + d x^2 y^2.
    """
    p = _ED25519_P
    for _ in range(3):
        y2 = y * y % p
        y, square = (
            (y2 + square) * pow(2 - y2 + square, -1, p) % p,
            4 * square * y2 * pow((y2 - square) ** 2, -1, p) % p,
        )
    return y == 1


def check_secret(secret: bytes, *, shortest: int) -> None:
    """Raises `KeyRefused` for a secret that is short or that somebody could guess."""
    if not shortest <= len(secret) <= _LONGEST:
        raise KeyRefused(f"the secret must have {shortest} to {_LONGEST} bytes")
    if is_key_text(secret):
        raise KeyRefused("the secret is a key's text: public keys are no secrets")
    if guessable(secret):
        raise KeyRefused("the secret can be guessed: use random bytes")


def is_key_text(secret: bytes) -> bool:
    """PEM, OpenSSH, JWK or DER of a public key or certificate: what algorithm confusion attacks use as a secret."""
    start = secret.lstrip()
    if start.startswith(_ARMOUR) or _ARMOUR[0] in start or b'"kty"' in start:
        return True
    return _is_der(secret) or (start[:1] == b"M" and _is_der(_unarmoured(start)))


def _unarmoured(text: bytes) -> bytes:
    try:
        return a2b_base64(text)
    except ValueError:
        return b""


def _is_der(data: bytes) -> bool:
    return data[:1] == b"\x30" and any(_loads(load, data) for load in (load_der_public_key, load_der_x509_certificate))


def _loads(load: Callable[[bytes], object], data: bytes) -> bool:
    try:
        load(data)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def guessable(secret: bytes) -> bool:
    """Few different bytes, a pattern again and again, counting up or down, or for the most part well-known words."""
    few = len(set(secret)) < _MIN_DISTINCT
    counting = len({(b - a) & 255 for a, b in pairwise(secret)}) <= 2
    return few or counting or _repeats(secret) or _worded(secret)


def _repeats(secret: bytes) -> bool:
    return any(secret[:-period] == secret[period:] for period in range(1, len(secret) // 2 + 1))


def _worded(secret: bytes) -> bool:
    text = "".join(chr(byte) for byte in secret.lower() if chr(byte).isalnum())
    return 2 * len(_WORDS.sub("", text)) < len(text) or not text
