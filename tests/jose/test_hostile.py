from functools import cache

import pytest

from jotgate.errors import TokenError
from jotgate.jose import Key, jwk, jwks, jwt
from tests.jose.hostile import Attack, attacks
from tests.jose.keys import CLAIMS, EXPECT, NOW, key, signed

ALGS = ("ES256", "RS256", "EdDSA", "HS256", "PS256")


@cache
def known(alg: str) -> list[Attack]:
    return attacks(key(alg))


def verifying(alg: str) -> Key:
    return key(alg) if alg == "HS256" else jwk.public_half(key(alg))


@pytest.mark.parametrize("alg", ALGS)
def test_there_are_more_than_741_attacks(alg: str) -> None:
    tokens = {attack.token for attack in known(alg)}

    assert len(tokens) > 741
    assert jwt.encode(CLAIMS, key(alg)) not in tokens


@pytest.mark.parametrize("alg", ALGS)
def test_what_they_are_made_from_is_accepted(alg: str) -> None:
    assert jwt.decode(signed(key(alg)), verifying(alg), EXPECT, now=NOW)


@pytest.mark.parametrize("alg", ALGS)
def test_every_attack_is_refused_cold_and_warm(alg: str) -> None:
    warm = jwks.of(verifying(alg))
    jwt.decode(signed(key(alg)), warm, EXPECT, now=NOW)
    accepted = []

    for attack in known(alg):
        for keys in (jwks.of(verifying(alg)), warm, verifying(alg)):
            try:
                jwt.decode(attack.token, keys, EXPECT, now=NOW)
            except TokenError:
                continue
            accepted.append(attack)

    assert accepted == []


@pytest.mark.parametrize("alg", ALGS)
def test_no_refusal_quotes_the_token(alg: str) -> None:
    for attack in known(alg):
        with pytest.raises(TokenError) as caught:
            jwt.decode(attack.token, verifying(alg), EXPECT, now=NOW)
        said = f"{caught.value} {caught.value.detail}"

        assert len(said) < 300
        assert len(attack.token) < 12 or str(attack.token) not in said
