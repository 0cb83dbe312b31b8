"""What we accept, at least one well-kept library accepts too, and reads the same in it."""

import json
from random import Random
from typing import Any

import pytest

from jotgate.errors import TokenError
from jotgate.jose import Claims, Key, b64, jwks, jwt, strictjson
from tests.jose.hostile import attacks
from tests.jose.keys import AUDIENCE, CLAIMS, EXPECT, MEMBERS, NOW, algorithms, header, key, sealed
from tests.jose.oracles import READERS, SUPPORTED

TEXTS = ["a", "members:read payments:*", "Zoë", "😀", '"\\/\b', "", " ", "\u2028", "x" * 300]
VALUES: list[Any] = [
    *TEXTS,
    0,
    -1,
    NOW,
    1.5,
    True,
    None,
    [],
    ["a"],
    ["a", 5],
    {},
    {"a": {"b": [1]}},
    10**15 - 1,
    10**15,
]
OWN = Claims.__struct_fields__
NAMES = [*OWN, "email", "cnf", "extra"]
HEADERS = ["typ", "kid", "jku", "x5t", "cty", "jwk", "x", "crit", "b64", "zip", "alg"]


def ours(token: str, by: Key) -> Claims | None:
    try:
        return jwt.decode(token, jwks.of(by), EXPECT, now=NOW)
    except TokenError:
        return None


def theirs(token: str, by: Key) -> list[dict[str, Any]]:
    """What those read who accept it; jwcrypto is asked only where nobody else has the algorithm."""
    asked = [name for name in ("PyJWT", "joserfc") if by.alg in SUPPORTED[name]] or ["jwcrypto"]
    return [read for name in asked if (read := READERS[name](token, by)) is not None]


def same(claims: Claims, read: dict[str, Any]) -> bool:
    """Does every claim that they read stand in ours, with the same value?"""
    mine = {name: getattr(claims, name) for name in OWN if name != "extra"} | dict(claims.extra)
    aud = read["aud"] if isinstance(read["aud"], list) else [read["aud"]]
    return all(strictjson.thaw(mine[name]) == value for name, value in (read | {"aud": aud}).items())


def mutated(by: Key, random: Random) -> str:
    """A token with a good signature: claims and header changed here and there, and JSON spelt in some way."""
    said: dict[str, Any] = dict(MEMBERS)
    head = header(by)
    for _ in range(random.choice([0, 1, 1, 2])):
        said[random.choice(NAMES)] = random.choice(VALUES)
    if random.random() < 0.3:
        said["aud"] = random.choice([[AUDIENCE], ["pool", AUDIENCE], "pool", AUDIENCE + " "])
    if random.random() < 0.3:
        head[random.choice(HEADERS)] = random.choice([*VALUES, "application/AT+JWT", "At+Jwt", by.kid])
    return sealed(by, spelt(head, random), spelt(said, random))


def spelt(value: dict[str, Any], random: Random) -> bytes:
    members = list(value.items())
    random.shuffle(members)
    text = json.dumps(dict(members), ensure_ascii=random.random() < 0.5, indent=random.choice([None, None, 1]))
    if random.random() < 0.1:
        text = text[:-1] + f', "{random.choice(list(value))}": 1}}'
    return b64.encode_bytes(text.encode())


@pytest.mark.parametrize("alg", algorithms())
def test_generated_tokens_that_we_accept_they_accept_and_read_the_same(alg: str) -> None:
    random = Random(alg)
    accepted = 0

    for _ in range(150):
        token = mutated(key(alg), random)
        if claims := ours(token, key(alg)):
            accepted += 1
            reads = theirs(token, key(alg))
            assert reads, token
            assert all(same(claims, read) for read in reads), token

    assert 20 < accepted < 130


@pytest.mark.parametrize("alg", algorithms())
def test_changed_tokens_that_we_accept_they_accept(alg: str) -> None:
    random = Random(alg)
    good = jwt.encode(CLAIMS, key(alg))

    for _ in range(300):
        at = random.randrange(len(good))
        token = good[:at] + chr(ord(good[at]) ^ 1 << random.randrange(7)) + good[at + 1 :]
        assert ours(token, key(alg)) is None or theirs(token, key(alg)), token


@pytest.mark.parametrize("alg", ["ES256", "HS256"])
def test_of_the_attacks_they_accept_some_and_we_none(alg: str) -> None:
    accepted = [attack.name for attack in attacks(key(alg)) if ours(str(attack.token), key(alg))]

    assert accepted == []


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "RS256", "HS256"])
def test_a_name_twice_is_read_by_others_and_refused_by_us(alg: str) -> None:
    payload = strictjson.dumps(MEMBERS)[:-1] + b',"sub":"admin"}'
    token = sealed(key(alg), b64.encode_bytes(strictjson.dumps(header(key(alg)))), b64.encode_bytes(payload))

    assert ours(token, key(alg)) is None
    assert theirs(token, key(alg))  # that is why the test stands here: being accepted elsewhere is no measure
