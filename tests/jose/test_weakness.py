import base64
import os
import string
from itertools import count
from math import prod
from random import Random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jotgate.errors import KeyRefused
from jotgate.jose import jwk, strictjson, weakness
from tests.jose.keys import key

P = 2**255 - 19
# The points of small order and their other spellings: the list that libsodium refuses.
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def roca_modulus(bits: int) -> int:
    """A number of the form that the broken generator gives its primes, and so their product."""
    m = prod(weakness._ROCA_PRIMES)
    n: int = pow(65537, 12345, m) + m * (2 ** (bits - 1) // m + 1)
    return n if n % 2 else n + m


def rough(start: int) -> int:
    """The next number without a small factor."""
    return next(n for n in count(start) if all(n % p for p in (2, *weakness._ROCA_PRIMES)))


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_rsa_sizes_that_are_allowed(bits: int) -> None:
    weakness.check_rsa(rough(2 ** (bits - 1)), 65537)


@pytest.mark.parametrize("bits", [512, 1024, 2047, 4097, 8192])
def test_rsa_sizes_that_are_not(bits: int) -> None:
    with pytest.raises(KeyRefused, match="2048 to 4096"):
        weakness.check_rsa(2 ** (bits - 1) + 1, 65537)


@pytest.mark.parametrize("exponent", [1, 2, 3, 17, 257, 65535, 65536, 65538, 2**32 + 1])
def test_rsa_exponents_that_are_not_allowed(exponent: int) -> None:
    with pytest.raises(KeyRefused, match="65537"):
        weakness.check_rsa(rough(2**2047), exponent)


@pytest.mark.parametrize("bits", [2048, 3072])
def test_roca_moduli_are_refused(bits: int) -> None:
    n = roca_modulus(bits)
    assert n.bit_length() == bits

    with pytest.raises(KeyRefused, match="ROCA"):
        weakness.check_rsa(n, 65537)
    weakness.check_rsa(rough(n + 1), 65537)


@pytest.mark.parametrize("factor", [2, 3, 101, 167])
def test_moduli_with_a_small_factor_are_refused(factor: int) -> None:
    with pytest.raises(KeyRefused, match="small factor"):
        weakness.check_rsa(rough(2**2047) * factor, 65537)


def test_the_points_of_small_order_are_refused() -> None:
    for point in SMALL_ORDER:
        with pytest.raises(KeyRefused):
            weakness.check_ed25519(bytes.fromhex(point))


def test_points_that_are_not_on_the_curve_are_refused() -> None:
    refused = 0

    for seed in range(200):
        point = bytearray(Random(seed).randbytes(32))
        point[31] &= 0x7F
        try:
            weakness.check_ed25519(bytes(point))
        except KeyRefused:
            refused += 1

    assert 70 < refused < 130  # every other y belongs to a point


@pytest.mark.parametrize("seed", range(5))
def test_points_of_new_keys_are_good(seed: int) -> None:
    weakness.check_ed25519(key("EdDSA", f"seed {seed}").public.public_bytes_raw())


def public_texts() -> list[bytes]:
    texts = []
    for alg in ("RS256", "ES256", "EdDSA"):
        public = key(alg).public
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        texts += [pem, pem.strip(), b"\n" + pem, b"# key\n" + pem, der, base64.b64encode(der), base64.encodebytes(der)]
        texts += [public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)]
        texts += [strictjson.dumps(jwk.export_public(key(alg)))]
    return [text for text in texts if len(text) <= 1024]


@pytest.mark.parametrize("text", public_texts(), ids=map(str, count()))
def test_the_text_of_a_public_key_is_no_secret(text: bytes) -> None:
    assert weakness.is_key_text(text)
    with pytest.raises(KeyRefused):
        weakness.check_secret(text, shortest=32)


@pytest.mark.parametrize(
    "data", [b"0" * 40, b"M" + bytes(range(40)), b"MIIB!", b"\x30\x82" + bytes(range(40)), b"Mabc"]
)
def test_what_only_looks_like_der_is_not_taken_for_a_key(data: bytes) -> None:
    assert not weakness.is_key_text(data)


@pytest.mark.parametrize(
    "secret",
    [
        bytes(32),
        b"\xff" * 64,
        b"a" * 32,
        b"ab" * 16,
        b"secret" * 6,
        b"0123456789abcdef" * 2,
        Random(16).randbytes(16) * 2,
        Random(20).randbytes(20) * 2,
        Random(13).randbytes(13) * 3,
        bytes(range(32)),
        bytes(range(64, 0, -2)),
        b"abcdefghijklmnopqrstuvwxyz0123456789",
        b"your-256-bit-secret-your-256-bit-secrets",
        b"please-change-me-to-a-long-random-string!",
        b"my-super-secret-password-that-is-very-long-123",
        b"correct horse battery staple correct horses",
        b"This is my JWT signing key, it must be changed in production",
        b"change_this_secret_in_production_please",
        b"django-insecure-development-secret-key",
        b"qwertyuiopasdfghjklzxcvbnm1234567890",
        b"SuperSecretKeyForTestingOnly12345678",
        b"your_jwt_secret_key_here_make_it_long",
        b"hello world hello world hello world!",
        b"................................!?-_*+#%&",
    ],
)
def test_secrets_that_can_be_guessed_are_refused(secret: bytes) -> None:
    with pytest.raises(KeyRefused, match="guessed"):
        weakness.check_secret(secret, shortest=32)


def test_random_secrets_are_never_taken_for_guessable_in_any_spelling() -> None:
    random = Random(7)

    for _ in range(2000):
        secret = random.randbytes(32)
        text = "".join(random.choices(string.ascii_lowercase, k=32)).encode()
        for spelt in (secret, secret.hex().encode(), secret[:16].hex().encode(), base64.b64encode(secret), text):
            weakness.check_secret(spelt, shortest=32)


@pytest.mark.parametrize("shortest", [32, 48, 64])
def test_a_secret_is_at_least_as_long_as_the_hash(shortest: int) -> None:
    weakness.check_secret(os.urandom(shortest), shortest=shortest)
    weakness.check_secret(os.urandom(1024), shortest=shortest)

    for size in (0, 1, shortest - 1, 1025):
        with pytest.raises(KeyRefused, match="bytes"):
            weakness.check_secret(os.urandom(size), shortest=shortest)
