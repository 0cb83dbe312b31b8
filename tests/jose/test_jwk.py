import copy
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jotgate.errors import KeyRefused, SignatureInvalid, UnknownKey
from jotgate.jose import b64, jwk
from tests.jose import facts
from tests.jose.keys import algorithms, key

PUBLIC = [alg for alg in algorithms() if not alg.startswith("HS")]
ED25519_PUBLIC = {name: value for name, value in facts.ED25519_KEY.items() if name != "d"}
ES256_PUBLIC = {name: value for name, value in facts.ES256_KEY.items() if name != "d"}
RS256_PUBLIC = {name: value for name, value in facts.RS256_KEY.items() if name in {"kty", "n", "e"}}


def uint(number: int, size: int = 0) -> str:
    return b64.encode(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def number(text: str) -> int:
    return int.from_bytes(b64.decode(text), "big")


# --- what is read


@pytest.mark.parametrize("alg", PUBLIC)
def test_what_is_exported_is_read_again_and_verifies(alg: str) -> None:
    signature = key(alg).sign(b"data")

    again = jwk.parse(jwk.export_public(key(alg)))

    assert again == key(alg)
    assert (again.kid, again.alg, again.private) == (key(alg).kid, alg, None)
    again.verify(signature, b"data")


@pytest.mark.parametrize("alg", PUBLIC)
def test_only_public_members_are_exported(alg: str) -> None:
    members = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}, "AKP": {"pub"}}

    exported = jwk.export_public(key(alg))

    assert exported.keys() == members[key(alg).kty] | {"kty", "kid", "alg", "use"}
    assert (exported["alg"], exported["use"]) == (alg, "sig")


def test_of_a_secret_only_type_name_and_algorithm_are_exported() -> None:
    assert jwk.export_public(key("HS256")) == {"kty": "oct", "kid": "HS256-1", "alg": "HS256", "use": "sig"}


@pytest.mark.parametrize(
    ("members", "alg"),
    [
        (facts.ES256_KEY, "ES256"),
        (facts.ES512_KEY, "ES512"),
        (jwk.export_public(key("ES384")) | {"alg": "ES384"}, "ES384"),
        (facts.ED25519_KEY, "EdDSA"),
        (facts.RS256_KEY, "RS256"),
    ],
)
def test_a_key_without_alg_gets_the_one_its_members_decide(members: dict[str, str], alg: str) -> None:
    assert jwk.parse({name: value for name, value in members.items() if name != "alg"}).alg == alg


@pytest.mark.parametrize(
    ("members", "alg"),
    [(facts.HS256_KEY, "HS256"), (facts.HS256_KEY, "HS512"), (facts.RS256_KEY, "PS384"), (ED25519_PUBLIC, "Ed25519")],
)
def test_a_key_without_alg_takes_the_one_it_is_told(members: dict[str, str], alg: str) -> None:
    assert jwk.parse(members, alg=alg).alg == alg


def test_json_as_text_bytes_or_mapping_is_the_same() -> None:
    text = json.dumps(facts.ES256_KEY)

    assert jwk.parse(text) == jwk.parse(text.encode()) == jwk.parse(facts.ES256_KEY)


@pytest.mark.parametrize("members", [facts.RS256_KEY, facts.ES256_KEY, facts.ES512_KEY, facts.ED25519_KEY])
def test_a_private_jwk_signs_what_its_public_half_verifies(members: dict[str, str]) -> None:
    private = jwk.parse(members)

    signature = private.sign(b"data")

    jwk.public_half(private).verify(signature, b"data")


def test_a_private_ml_dsa_jwk_is_its_seed() -> None:
    made = key("ML-DSA-44")
    members = jwk.export_public(made) | {"priv": b64.encode(made.private.private_bytes_raw())}

    made.verify(jwk.parse(members).sign(b"data"), b"data")


@pytest.mark.parametrize(
    ("operations", "use"),
    [(["verify"], "sig"), (["sign"], "sig"), (["sign", "verify"], "sig"), (["verify", "x"], "sig")],
)
def test_use_and_operations_for_signatures_are_fine(operations: list[str], use: str) -> None:
    assert jwk.parse(facts.ES256_KEY | {"key_ops": operations, "use": use})


def test_unknown_members_are_ignored() -> None:
    assert jwk.parse(facts.ES256_KEY | {"x5c": ["?"], "x5t": 1, "iat": 5, "ext": True, "x5u": "http://localhost"})


# --- names


def test_thumbprints_of_the_rfcs() -> None:
    assert jwk.thumbprint(jwk.parse(facts.THUMBED_KEY)) == facts.THUMBPRINT
    assert jwk.thumbprint(jwk.parse(facts.ED25519_KEY)) == facts.ED25519_THUMBPRINT


def test_a_key_without_kid_is_called_by_its_thumbprint() -> None:
    assert jwk.parse(facts.THUMBED_KEY).kid == "2011-04-29"
    assert jwk.parse(facts.ED25519_KEY).kid == facts.ED25519_THUMBPRINT


@pytest.mark.parametrize("kid", ["", "x" * 257, 5, None, ["a"], {}])
def test_a_kid_is_a_short_text(kid: Any) -> None:
    if kid is None:
        assert jwk.parse(ES256_PUBLIC | {"kid": None})
        return

    with pytest.raises(KeyRefused, match="kid"):
        jwk.parse(ES256_PUBLIC | {"kid": kid})


# --- what is refused


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"kty": "EC"},
        {"kty": None},
        {"kty": 5},
        {"kty": ["EC"]},
        {"kty": "ec", "crv": "P-256"},
        facts.HS256_KEY,  # no algorithm told
        facts.HS256_KEY | {"alg": "none"},
        facts.HS256_KEY | {"alg": "RS256"},
        facts.HS256_KEY | {"alg": None},
        facts.HS256_KEY | {"alg": ["HS256"]},
        facts.HS256_KEY | {"alg": "HS256", "k": ""},
        facts.HS256_KEY | {"alg": "HS256", "k": None},
        facts.HS256_KEY | {"alg": "HS256", "k": facts.HS256_KEY["k"] + "="},
        facts.HS256_KEY | {"alg": "HS256", "k": uint(2**240)},
        facts.HS256_KEY | {"alg": "HS256", "k": "A" * 43},
        facts.HS256_KEY | {"alg": "HS512", "k": uint(number(facts.HS256_KEY["k"]) >> 8)},
        facts.RS256_KEY | {"alg": "HS256"},
        facts.RS256_KEY | {"alg": "ES256"},
        facts.RS256_KEY | {"alg": "RSA-OAEP"},
        RS256_PUBLIC | {"e": "Aw"},
        RS256_PUBLIC | {"e": ""},
        RS256_PUBLIC | {"e": "AAEAAQ"},  # leading zero
        RS256_PUBLIC | {"n": "AA" + RS256_PUBLIC["n"]},
        RS256_PUBLIC | {"n": uint(number(RS256_PUBLIC["n"]) >> 1024)},
        RS256_PUBLIC | {"n": uint(number(RS256_PUBLIC["n"]) + 1)},  # even
        {"kty": "RSA", "e": "AQAB"},
        {"kty": "RSA", "n": RS256_PUBLIC["n"]},
        RS256_PUBLIC | {"n": 5},
        RS256_PUBLIC | {"d": facts.RS256_KEY["d"]},  # the other parts are missing
        facts.RS256_KEY | {"d": uint(number(facts.RS256_KEY["d"]) + 2)},
        facts.RS256_KEY | {"p": facts.RS256_KEY["q"]},
        facts.RS256_KEY | {"oth": []},
        facts.ES256_KEY | {"crv": "P-384"},
        facts.ES256_KEY | {"crv": "secp256k1"},
        facts.ES256_KEY | {"crv": ["P-256"]},
        facts.ES256_KEY | {"alg": "ES384"},
        ES256_PUBLIC | {"crv": "P-384", "alg": "ES256"},
        ES256_PUBLIC | {"x": ES256_PUBLIC["y"], "y": ES256_PUBLIC["x"]},  # not on the curve
        ES256_PUBLIC | {"x": uint(0, 32), "y": uint(0, 32)},
        ES256_PUBLIC | {"x": "AAAA" + ES256_PUBLIC["x"]},
        ES256_PUBLIC | {"y": ES256_PUBLIC["y"][:-4]},
        ES256_PUBLIC | {"x": uint(2**256 - 1, 32)},
        {"kty": "EC", "crv": "P-256", "x": ES256_PUBLIC["x"]},
        facts.ES256_KEY | {"d": uint(0, 32)},
        facts.ES256_KEY | {"d": uint(1, 32)},  # another key's
        facts.ES256_KEY | {"d": uint(2**256 - 1, 32)},
        facts.ES256_KEY | {"d": "AQ"},
        facts.ED25519_KEY | {"crv": "Ed448"},
        facts.ED25519_KEY | {"crv": "X25519"},
        facts.ED25519_KEY | {"x": uint(0, 32)},
        facts.ED25519_KEY | {"x": uint(1, 31)},
        facts.ED25519_KEY | {"d": uint(5, 32)},
        facts.ED25519_KEY | {"d": "AQ"},
        facts.ED25519_KEY | {"alg": "ES256"},
        {"kty": "AKP", "pub": uint(2**255)},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": uint(2**255)},
        {"kty": "AKP", "alg": "ML-DSA-44"},
        facts.ES256_KEY | {"use": "enc"},
        facts.ES256_KEY | {"use": None},
        facts.ES256_KEY | {"use": ["sig"]},
        facts.ES256_KEY | {"key_ops": []},
        facts.ES256_KEY | {"key_ops": ["encrypt", "deriveKey"]},
        facts.ES256_KEY | {"key_ops": "verify"},
        facts.ES256_KEY | {"key_ops": [["verify"], 5]},
    ],
)
def test_keys_that_must_not_be_used_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(KeyRefused):
        jwk.parse(members)


@pytest.mark.parametrize("alg", ["ES384", "RS256", "EdDSA", "HS256", "none", ""])
def test_a_key_that_names_its_algorithm_takes_no_other(alg: str) -> None:
    with pytest.raises(KeyRefused):
        jwk.parse(facts.ES256_KEY | {"alg": "ES256"}, alg=alg)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"kty":"EC","kty":"EC"}', b"\xff", "\ud800", '{"kty":"oct","k":"\\ud800"}', b"{" * 90],
)
def test_what_is_no_strict_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(KeyRefused):
        jwk.parse(text)


def test_an_ml_dsa_seed_must_belong_to_its_public_key() -> None:
    members = jwk.export_public(key("ML-DSA-44")) | {"priv": uint(7, 32)}

    with pytest.raises(KeyRefused, match="belong"):
        jwk.parse(members)


# --- secrets do not show


@pytest.mark.parametrize("alg", algorithms())
def test_nothing_private_shows(alg: str) -> None:
    private = jwk.to_private_bytes(key(alg))

    shown = f"{key(alg)!r} {key(alg)}"

    assert "private" not in shown
    assert repr(private) not in shown
    assert b64.encode(private) not in shown


def test_a_key_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        key("ES256").alg = "none"  # type: ignore[misc] # that is the point


def test_keys_are_equal_by_what_they_are() -> None:
    again = jwk.from_private_bytes("ES256", "ES256-1", jwk.to_private_bytes(key("ES256")))

    assert {again, key("ES256")} == {again}
    assert again != key("ES256", "another")
    assert jwk.public_half(again) == again


# --- halves and sealing


@pytest.mark.parametrize("alg", PUBLIC)
def test_a_public_half_verifies_and_cannot_sign_or_be_sealed(alg: str) -> None:
    half = jwk.public_half(key(alg))

    half.verify(key(alg).sign(b"data"), b"data")

    with pytest.raises(KeyRefused):
        half.sign(b"data")
    with pytest.raises(KeyRefused):
        jwk.to_private_bytes(half)


def test_a_secret_has_no_public_half() -> None:
    with pytest.raises(KeyRefused):
        jwk.public_half(key("HS256"))


@pytest.mark.parametrize("alg", algorithms())
def test_what_was_sealed_signs_again(alg: str) -> None:
    again = jwk.from_private_bytes(alg, key(alg).kid, jwk.to_private_bytes(key(alg)))

    assert again == key(alg)
    key(alg).verify(again.sign(b"data"), b"data")


def test_without_a_kid_a_secret_is_called_by_its_thumbprint() -> None:
    secret = jwk.to_private_bytes(key("HS256"))

    assert jwk.from_private_bytes("HS256", None, secret).kid == key("HS256").thumbprint


def pkcs8(private: Any) -> bytes:
    der: bytes = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return der


@pytest.mark.parametrize(
    ("alg", "data"),
    [
        ("none", b""),
        ("HS256", b"short"),
        ("HS256", bytes(32)),
        ("HS512", jwk.to_private_bytes(key("HS256"))),
        ("RS256", b""),
        ("RS256", b"\x30\x03\x02\x01\x00"),
        ("RS256", jwk.to_private_bytes(key("ES256"))),
        ("ES256", jwk.to_private_bytes(key("RS256"))),
        ("ES256", jwk.to_private_bytes(key("ES384"))),
        ("ES256", pkcs8(ec.generate_private_key(ec.SECP256K1()))),
        ("EdDSA", jwk.to_private_bytes(key("ES256"))),
        ("ES256", jwk.to_private_bytes(key("EdDSA"))),
        ("ML-DSA-44", jwk.to_private_bytes(key("ML-DSA-65"))),
        ("ML-DSA-44", jwk.to_private_bytes(key("EdDSA"))),
        ("RS256", jwk.to_private_bytes(key("ML-DSA-44"))),
        ("RS256", pkcs8(dsa.generate_private_key(1024))),
    ],
)
def test_what_is_no_key_of_this_algorithm_is_not_unsealed(alg: str, data: bytes) -> None:
    with pytest.raises(KeyRefused):
        jwk.from_private_bytes(alg, "kid", data)


# --- picking from a set of one


def test_a_lone_key_is_picked_by_its_name_or_none() -> None:
    assert key("ES256").pick("ES256-1", "ES256") is key("ES256").pick(None, "ES256") is key("ES256")

    with pytest.raises(UnknownKey):
        key("ES256").pick("another", "ES256")
    with pytest.raises(SignatureInvalid) as caught:
        key("ES256").pick(None, "HS256")
    assert not isinstance(caught.value, UnknownKey)


def test_a_key_called_eddsa_is_not_one_called_ed25519() -> None:
    same = jwk.to_private_bytes(key("EdDSA"))
    other = jwk.from_private_bytes("Ed25519", "EdDSA-1", same)

    with pytest.raises(SignatureInvalid):
        other.pick("EdDSA-1", "EdDSA")
    with pytest.raises(SignatureInvalid):
        key("EdDSA").pick("EdDSA-1", "Ed25519")


def test_parsing_does_not_change_what_it_reads() -> None:
    members = copy.deepcopy(facts.RS256_KEY)

    jwk.parse(members)

    assert members == facts.RS256_KEY
