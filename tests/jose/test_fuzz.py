"""Whatever comes in, nothing but jotgate's own errors comes out: over 40,000 cases, the same in every run."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.errors import JotgateError, KeyRefused, TokenError
from jotgate.jose import b64, jwk, jwks, jws, jwt, strictjson
from tests.jose import facts
from tests.jose.hostile import attacks
from tests.jose.keys import CLAIMS, EXPECT, MEMBERS, NOW, header, key, sealed, segment

KEY = key("HS256")  # signs in a microsecond, so that every case has a good signature
ALGS = ("HS256", "ES256", "RS256", "EdDSA", "PS256", "ES512", "ML-DSA-44")
TOKENS = {alg: jwt.encode(CLAIMS, key(alg)) for alg in ALGS}
SET = jwks.of(*(jwk.public_half(key(alg)) for alg in ALGS if alg != "HS256"))
JWKS = [
    jwk.export_public(key(alg)) | {"alg": alg}
    for alg in ("ES256", "ES384", "ES512", "RS256", "EdDSA", "Ed25519", "ML-DSA-44")
] + [facts.RS256_KEY, facts.ES256_KEY, facts.ED25519_KEY, facts.HS256_KEY | {"alg": "HS256"}]
FLIPS = 25  # cases in one example

few = settings(max_examples=250, derandomize=True, deadline=None)
many = settings(max_examples=600, derandomize=True, deadline=None)

INTEGERS = st.integers(-3, 3) | st.integers(NOW - 1000, NOW + 1000) | st.integers()
SCALARS = (
    st.none() | st.booleans() | INTEGERS | st.floats() | st.text(max_size=8) | st.sampled_from(list(MEMBERS.values()))
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
CLAIM = st.sampled_from([*CLAIMS.__struct_fields__, "cnf", "act", "name"]) | st.text(max_size=4)
HEADER = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk", "jku", "x5c", "cty"]) | st.text(max_size=4)


def outcome(token: Any, keys: Any) -> bool:
    """Was it accepted? Everything but a `TokenError` is a failure of the test."""
    try:
        jwt.decode(token, keys, EXPECT, now=NOW)
    except TokenError:
        return False
    return True


@pytest.mark.parametrize("alg", ALGS)
def test_the_good_tokens_are_accepted(alg: str) -> None:
    assert outcome(TOKENS[alg], key(alg))
    assert outcome(TOKENS[alg], SET) == (alg != "HS256")  # and their headers are remembered from here on


def spelt(value: dict[str, Any], random: Random) -> bytes:
    """JSON in one of many spellings, some of them not strict: with NaN, a name twice, or cut."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice([None, None, 1]))
    if random.random() < 0.1:
        text = text.replace("{", '{"sub":"x",', 1)
    if random.random() < 0.1:
        text = text[: random.randrange(len(text) + 1)]
    return text.encode("utf-8", "surrogatepass")


@many
@given(
    st.binary(max_size=200) | st.text(max_size=200) | st.lists(st.text("eyJA.", max_size=30), max_size=5).map(".".join)
)
def test_random_tokens_are_refused(token: bytes | str) -> None:
    assert not outcome(token, SET)
    assert not outcome(token, KEY)


@many
@given(st.binary(max_size=120), st.binary(max_size=120))
def test_random_bytes_as_header_and_payload_are_refused(head: bytes, payload: bytes) -> None:
    assert not outcome(sealed(KEY, b64.encode_bytes(head), b64.encode_bytes(payload)), KEY)
    assert not outcome(sealed(KEY, segment(header(KEY)), b64.encode_bytes(payload)), KEY)
    assert not outcome(sealed(KEY, b64.encode_bytes(head), segment(MEMBERS)), KEY)


@pytest.mark.parametrize("alg", ALGS)
@few
@given(st.randoms(use_true_random=False))
def test_good_tokens_with_a_bit_or_more_changed_are_refused(alg: str, random: Random) -> None:
    good = TOKENS[alg].encode()
    keys = KEY if alg == "HS256" else SET

    for _ in range(FLIPS if alg == "HS256" else FLIPS // 5):
        token = bytearray(good)
        for _ in range(random.choice([1, 1, 1, 2, 8])):
            at = random.randrange(len(token))
            token[at] ^= 1 << random.randrange(8)
        assert token == good or not outcome(bytes(token), keys)


@few
@given(st.sampled_from(ALGS), st.randoms(use_true_random=False))
def test_good_tokens_cut_joined_and_shuffled_are_refused(alg: str, random: Random) -> None:
    good = TOKENS[alg]
    keys = KEY if alg == "HS256" else SET

    for _ in range(FLIPS):
        parts = good.split(".") + TOKENS[random.choice(ALGS)].split(".")
        at, to = random.randrange(len(good)), random.randrange(len(good))
        token = random.choice(
            [
                ".".join(random.choices(parts, k=random.choice([2, 3, 3, 3, 4]))),
                good[:at] + good[to:],
                good[:at] + random.choice('.=-_+/ \n\0\\"A\u0130') + good[at:],
                good[:at] + good[at:][::-1],
            ]
        )
        assert token in TOKENS.values() or not outcome(token, keys)


@many
@given(st.dictionaries(CLAIM, JSON, max_size=4), st.lists(CLAIM, max_size=2), st.randoms(use_true_random=False))
def test_signed_claims_of_any_kind_are_read_or_refused(
    changes: dict[str, Any], dropped: list[str], random: Random
) -> None:
    said = {name: value for name, value in (MEMBERS | changes).items() if name not in dropped}

    for _ in range(3):
        payload = spelt(said, random)
        if outcome(sealed(KEY, segment(header(KEY)), b64.encode_bytes(payload)), KEY):
            assert strictjson.exact(payload)["sub"]


@many
@given(st.dictionaries(HEADER, JSON, max_size=3), st.lists(HEADER, max_size=1), st.randoms(use_true_random=False))
def test_signed_headers_of_any_kind_are_read_or_refused(
    changes: dict[str, Any], dropped: list[str], random: Random
) -> None:
    head = {name: value for name, value in (header(KEY) | changes).items() if name not in dropped}

    for _ in range(3):
        data = spelt(head, random)
        if outcome(sealed(KEY, b64.encode_bytes(data), segment(MEMBERS)), KEY):
            assert strictjson.exact(data)["alg"] == "HS256"


@few
@given(JSON, st.sampled_from(JWKS), st.randoms(use_true_random=False))
def test_keys_of_any_kind_are_read_or_refused(value: Any, members: dict[str, Any], random: Random) -> None:
    names = [*members, "d", "k", "use", "key_ops", "crv", "alg", "priv", "oth"]

    for _ in range(10):
        changed = dict(members)
        name = random.choice(names)
        text = str(changed.get(name, ""))
        at = random.randrange(len(text) + 1)
        changed[name] = random.choice(
            [value, text[:at] + random.choice("AB_-=") + text[at + 1 :], text[:at], text[at:]]
        )
        for read in (jwk.parse, lambda each: jwks.parse({"keys": [each, JWKS[0]]})):
            try:
                assert read(changed)
            except KeyRefused:
                continue


@many
@given(st.binary(max_size=100) | st.text(max_size=100) | st.dictionaries(st.sampled_from(["keys", "kty", "k"]), JSON))
def test_random_keys_and_sets_are_refused(source: Any) -> None:
    with pytest.raises(KeyRefused):
        jwk.parse(source)
    try:
        assert jwks.parse(source).keys == ()
    except KeyRefused:
        return


@many
@given(st.binary(max_size=300))
def test_random_bytes_are_no_sealed_keys(data: bytes) -> None:
    for alg in ("RS256", "ES256", "EdDSA", "ML-DSA-44"):
        with pytest.raises(KeyRefused):
            jwk.from_private_bytes(alg, "kid", data)


def test_attacks_with_a_bit_changed_raise_nothing_else() -> None:
    random = Random(11)

    for attack in attacks(KEY):
        token = bytearray(
            attack.token.encode("utf-8", "surrogatepass") if isinstance(attack.token, str) else attack.token
        )
        for _ in range(10 if token else 0):
            token[random.randrange(len(token))] ^= 1 << random.randrange(8)
            for read in (jws.verify, lambda each, _: jws.peek(each)):
                try:
                    read(bytes(token), KEY)
                except JotgateError:
                    continue
