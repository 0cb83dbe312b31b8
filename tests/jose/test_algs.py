import re
import sys
from itertools import product

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from jotgate.errors import SignatureInvalid
from jotgate.jose import algs
from jotgate.jose.algs import ALGS, from_der, to_der
from tests.jose.keys import algorithms, key

DATA = b"header.payload"
CURVES = {"ES256": (32, algs._P256), "ES384": (48, algs._P384), "ES512": (66, algs._P521)}
HASHES: dict[str, hashes.HashAlgorithm] = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}
SIZES = {
    "HS256": 32,
    "HS384": 48,
    "HS512": 64,
    "EdDSA": 64,
    "Ed25519": 64,
    "ES256": 64,
    "ES384": 96,
    "ES512": 132,
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), 256),
    "ML-DSA-44": 2420,
    "ML-DSA-65": 3309,
    "ML-DSA-87": 4627,
}


def test_the_table_is_the_one_in_the_docstring_and_none_is_not_in_it() -> None:
    rows = re.findall(r"^    (\S.*?)  +(?:oct|RSA|EC|OKP|AKP)\b", algs.__doc__ or "", re.MULTILINE)
    named = " ".join(rows).replace("ML-DSA-44 -65 -87", "ML-DSA-44 ML-DSA-65 ML-DSA-87").replace(",", "").split()

    assert named == list(ALGS)
    assert not {"none", "None", "NONE", ""} & ALGS.keys()


@pytest.mark.parametrize("alg", algorithms())
def test_a_signature_verifies_and_has_the_size_of_its_algorithm(alg: str) -> None:
    signature = key(alg).sign(DATA)

    key(alg).verify(signature, DATA)

    assert len(signature) == SIZES[alg]


@pytest.mark.parametrize("alg", algorithms())
def test_no_other_data_verifies(alg: str) -> None:
    signature = key(alg).sign(DATA)

    for data in (b"", DATA[:-1], DATA + b"x", DATA.upper()):
        with pytest.raises(SignatureInvalid):
            key(alg).verify(signature, data)


@pytest.mark.parametrize("alg", algorithms())
def test_no_changed_shortened_or_lengthened_signature_verifies(alg: str) -> None:
    good = key(alg).sign(DATA)
    flipped = [good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :] for at in range(0, len(good), 7)]

    for bad in (b"", good[:-1], good[1:], good + b"\0", b"\0" + good, good + good, bytes(len(good)), *flipped):
        with pytest.raises(SignatureInvalid):
            key(alg).verify(bad, DATA)


@pytest.mark.parametrize("alg", algorithms())
def test_another_key_of_the_same_algorithm_does_not_verify(alg: str) -> None:
    signature = key(alg, "another").sign(DATA)

    with pytest.raises(SignatureInvalid):
        key(alg).verify(signature, DATA)


@pytest.mark.parametrize("alg", CURVES)
def test_r_and_s_must_be_in_range(alg: str) -> None:
    size, order = CURVES[alg]
    good = key(alg).sign(DATA)
    outside = [0, order, order + 1, 2 ** (8 * size) - 1]  # CVE-2022-21449 was r = s = 0

    for number in outside:
        n = number.to_bytes(size, "big")
        for bad in (n + good[size:], good[:size] + n, n + n):
            with pytest.raises(SignatureInvalid):
                key(alg).verify(bad, DATA)


@pytest.mark.parametrize("alg", CURVES)
def test_a_der_signature_is_not_a_jose_signature(alg: str) -> None:
    der = key(alg).private.sign(DATA, ec.ECDSA(HASHES[alg]))

    with pytest.raises(SignatureInvalid):
        key(alg).verify(der, DATA)


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_an_rsa_signature_without_its_leading_zero_is_refused(alg: str) -> None:
    # one signature of 256 begins with a zero; OpenSSL takes a PSS one without it
    data, signature = next(
        (data, signature)
        for data in (DATA + str(number).encode() for number in range(20_000))
        if (signature := key(alg).sign(data))[0] == 0
    )

    key(alg).verify(signature, data)
    for bad in (signature[1:], b"\0" + signature, signature[1:] + b"\0"):
        with pytest.raises(SignatureInvalid):
            key(alg).verify(bad, data)


@pytest.mark.parametrize("size", [32, 48, 66])
def test_der_by_hand_is_what_the_library_makes_and_reads(size: int) -> None:
    edges = [
        1,
        127,
        128,
        255,
        256,
        2 ** (8 * size - 9),
        2 ** (8 * size - 8) - 1,
        2 ** (8 * size - 8),
        2 ** (8 * size) - 1,
    ]

    for r, s in product(edges, repeat=2):
        raw = r.to_bytes(size, "big") + s.to_bytes(size, "big")
        der = to_der(raw[:size], raw[size:])

        assert der == encode_dss_signature(r, s)
        assert decode_dss_signature(der) == (r, s)
        assert from_der(der, size) == raw


def test_the_orders_of_the_curves_are_those_of_the_library() -> None:
    for alg, (_, order) in CURVES.items():
        assert key(alg).public.curve.group_order == order


def test_without_ml_dsa_in_cryptography_the_table_has_no_such_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)

    assert algs._ml_dsa() == ()
