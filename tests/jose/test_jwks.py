import json
from typing import Any

import pytest

from jotgate.errors import KeyRefused, SignatureInvalid, UnknownKey
from jotgate.jose import b64, jwk, jwks
from tests.jose import facts
from tests.jose.keys import algorithms, key

ES256 = jwk.export_public(key("ES256"))
RS256 = jwk.export_public(key("RS256"))
EDDSA = jwk.export_public(key("EdDSA"))
SECRET = {"kty": "oct", "kid": "s", "alg": "HS256", "k": b64.encode(jwk.to_private_bytes(key("HS256")))}
PUBLIC = [alg for alg in algorithms() if not alg.startswith("HS")]


def without(members: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


def test_a_set_of_every_public_algorithm_is_exported_and_read_again() -> None:
    ours = jwks.of(*(key(alg) for alg in PUBLIC))

    theirs = jwks.parse(json.dumps(ours.export()))

    assert theirs == ours
    assert [each.private for each in theirs.keys] == [None] * len(PUBLIC)
    assert theirs == jwks.parse(json.dumps(ours.export()).encode()) == jwks.parse(ours.export())


def test_a_key_is_picked_by_name_and_algorithm() -> None:
    keys = jwks.of(key("ES256"), key("RS256"))

    assert keys.pick("ES256-1", "ES256") is key("ES256")
    assert keys.pick("RS256-1", "RS256") is key("RS256")


@pytest.mark.parametrize("kid", ["", "es256-1", "ES256-1 ", "../../etc/passwd", "' or 1=1 --", "x" * 1000])
def test_a_name_that_is_not_in_the_set_is_an_unknown_key(kid: str) -> None:
    with pytest.raises(UnknownKey):
        jwks.of(key("ES256")).pick(kid, "ES256")


@pytest.mark.parametrize("alg", ["HS256", "RS256", "ES384", "EdDSA", "none", ""])
def test_another_algorithm_than_the_keys_own_is_refused(alg: str) -> None:
    with pytest.raises(SignatureInvalid) as caught:
        jwks.of(key("ES256")).pick("ES256-1", alg)

    assert not isinstance(caught.value, UnknownKey)  # nobody need fetch keys for that


def test_without_a_name_only_the_one_key_of_the_algorithm_is_picked() -> None:
    keys = jwks.of(key("ES256"), key("RS256"), key("RS256", "another"))

    assert keys.pick(None, "ES256") is key("ES256")
    for alg in ("RS256", "PS256"):
        with pytest.raises(UnknownKey):
            keys.pick(None, alg)


# --- the table: refused whole


@pytest.mark.parametrize(
    "entries",
    [
        [SECRET, ES256],  # secrets beside public keys
        [ES256, {"kty": "oct", "k": "AA", "use": "enc"}],
        [ES256, facts.ES256_KEY],  # a private part
        [facts.RS256_KEY],
        [EDDSA | {"d": "AA"}],
        [ES256 | {"k": "AA"}],
        [RS256, {"kty": "RSA", "use": "enc", "d": "AA"}],
        [{"kty": "AKP", "priv": "AA"}],
        [{"kty": "unknown", "d": "AA"}],
        [ES256, RS256 | {"n": RS256["n"][: len(RS256["n"]) // 2]}],  # weak or malformed
        [ES256, RS256 | {"e": "Aw"}],
        [ES256, EDDSA | {"x": b64.encode(bytes(32))}],
        [ES256, without(RS256, "n")],
        [ES256, {}],
        [ES256, {"kty": 5}],
        [ES256 | {"crv": "P-384"}],
        [ES256 | {"alg": "RS256"}],
        [ES256 | {"alg": 5}],
        [ES256 | {"crv": 5}],
        [ES256 | {"kid": 5}],
        [SECRET | {"k": b64.encode(b"secret" * 8)}],
        [without(SECRET, "alg")],
        [ES256, ES256],  # twice
        [ES256, RS256 | {"kid": "ES256-1"}],
        [ES256, ES256 | {"kid": "other name"}],
        [RS256, RS256 | {"kid": "other name", "alg": "PS256"}],
        ["ES256"],
        [None],
        [[ES256]],
    ],
)
def test_a_set_with_a_bad_entry_is_refused_whole(entries: list[Any]) -> None:
    with pytest.raises(KeyRefused):
        jwks.parse({"keys": entries})


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": "ES256"},
        "",
        "[]",
        "null",
        "\ud800",
        b"\xff",
        b'{"keys":[],"keys":[]}',
        b'{"keys":[],"k\\u0065ys":[]}',
        b'{"keys":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"keys":[{"kty":"EC","kty":"RSA"}]}',
        b'{"keys":[]}' + b" " * jwks.MAX_BYTES,
        {"keys": [ES256 | {"kid": str(number)} for number in range(jwks.MAX_KEYS + 1)]},
    ],
)
def test_what_is_no_key_set_is_refused(source: Any) -> None:
    with pytest.raises(KeyRefused):
        jwks.parse(source)


# --- the table: left out


@pytest.mark.parametrize(
    "entry",
    [
        without(RS256, "alg") | {"use": "enc", "kid": "e"},
        RS256 | {"alg": "RSA-OAEP", "kid": "e"},
        RS256 | {"use": 5},
        RS256 | {"key_ops": ["encrypt"]},
        RS256 | {"key_ops": ["sign"]},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k1"},
        {"kty": "EC", "crv": "secp256k1", "alg": "ES256K", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed448", "alg": "EdDSA", "x": "AA"},
        {"kty": "AKP", "alg": "SLH-DSA-SHA2-128s", "pub": "AA"},
        {"kty": "something new"},
    ],
)
def test_keys_for_something_else_are_left_out(entry: dict[str, Any]) -> None:
    keys = jwks.parse({"keys": [entry, ES256]})

    assert [each.kid for each in keys.keys] == ["ES256-1"]


def test_keys_as_the_big_providers_publish_them_are_read() -> None:
    no_alg = without(RS256, "alg") | {"x5t": "abc", "x5c": ["MIIC"], "issuer": "https://login.example.com"}

    assert jwks.parse({"keys": [no_alg]}).keys[0].alg == "RS256"


def test_an_empty_set_is_a_set_without_keys() -> None:
    empty = jwks.parse('{"keys":[]}')

    assert empty.keys == ()
    with pytest.raises(UnknownKey):
        empty.pick(None, "ES256")


# --- secrets


def test_a_set_of_secrets_alone_is_read_and_never_exported() -> None:
    keys = jwks.parse({"keys": [SECRET]})

    assert keys.symmetric
    assert keys.pick("s", "HS256").private == jwk.to_private_bytes(key("HS256"))
    assert keys.export() == {"keys": []}
    assert not jwks.of(key("ES256")).symmetric


def test_our_own_sets_are_held_to_the_same_rules() -> None:
    for keys in ((key("ES256"), key("HS256")), (key("ES256"), key("ES256")), (key("RS256"), key("RS384", "RS256-1"))):
        with pytest.raises(KeyRefused):
            jwks.of(*keys)


def test_private_halves_in_our_own_set_are_not_exported() -> None:
    text = json.dumps(jwks.of(key("ES256"), key("RS256"), key("EdDSA")).export())

    assert '"d"' not in text
    assert jwks.parse(text)
