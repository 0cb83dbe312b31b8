"""The hostile tokens: enough of them, each refused by every guard, each different from a good one in one thing."""

import re
import time
from collections import Counter

import pytest

from jotgate.errors import JotgateError, TokenError
from jotgate.guard.guard import Guard
from jotgate.jose import Expect, jwk, jwks, jwt, new_key
from jotgate.testing import TestIssuer, bad_tokens
from jotgate.testing.badtokens import GROUPS, of_model
from jotgate.testing.model import Model
from tests.test_wheel import ROOT

ALGS = ("ES256", "EdDSA", "RS256", "PS256", "HS256", "ES384", "HS512")
DOCUMENT = (ROOT / "docs" / "testing.md").read_text("utf-8")
NOW = int(time.time())
PROMISED = {
    "tampered", "expired", "not_yet_valid", "none_alg", "hs_with_public_key", "swapped_key", "wrong_audience",
    "wrong_issuer", "refresh_as_access", "id_token", "crit", "jku", "x5u", "jwk", "duplicate_sub", "duplicate_alg",
    "padding_0", "spare_bits_1", "huge", "revoked", "claims_stale",
}  # fmt: skip


def model(alg: str) -> Model:
    said = {"iss": "https://auth.example.com", "sub": "ada", "aud": ["gym"], "exp": NOW + 900, "iat": NOW, "jti": "j1"}
    return Model(new_key(alg, "k1"), said | {"roles": ["manager"], "scope": "a:b"}, NOW)


def test_those_that_are_promised_are_there(issuer: TestIssuer) -> None:
    found = bad_tokens(issuer)

    assert found.keys() >= PROMISED
    assert len(found) >= 150


def test_those_that_the_documentation_names_are_there(issuer: TestIssuer) -> None:
    (table,) = re.findall(r"^## Bad tokens\n.*?(^\|.*?)\n\n", DOCUMENT, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`(\w+)`", table))

    assert len(named) > 20
    assert issuer.bad_tokens().keys() >= named


@pytest.mark.parametrize("alg", ALGS)
def test_a_verifier_refuses_each_and_takes_what_they_are_made_from(alg: str) -> None:
    of = model(alg)
    keys = jwks.of(of.key if of.key.kty == "oct" else jwk.public_half(of.key))
    expect = Expect("https://auth.example.com", "gym")
    accepted = []

    for name, token in of_model(of).items():
        try:
            jwt.decode(token, keys, expect, now=NOW)
        except TokenError:
            continue
        accepted.append(name)

    assert accepted == []
    assert jwt.decode(of.good, keys, expect, now=NOW).sub == "ada"


@pytest.mark.parametrize("alg", ALGS)
def test_there_are_more_than_150_and_no_two_are_equal(alg: str) -> None:
    of = model(alg)
    found = of_model(of)
    names = Counter(name for group in GROUPS for name, _ in group(of))

    assert len(found) == len(set(found.values())) > 350
    assert of.good not in found.values()
    assert max(names.values()) == 1


@pytest.mark.parametrize("alg", ALGS)
def test_every_client_can_send_them(alg: str) -> None:
    for name, token in of_model(model(alg)).items():
        assert token.isascii(), name
        assert token.isprintable(), name
        assert token == token.strip(), name


@pytest.mark.parametrize("leeway", [0, 10, 60])
def test_a_guard_refuses_each_whatever_its_leeway(leeway: int) -> None:
    with TestIssuer() as issuer:
        guard = issuer.guard("https://leeway.example", leeway=leeway, max_lifetime=3600)
        refused = dict[str, str]()
        for name, token in issuer.bad_tokens("manager", guard=guard).items():
            with pytest.raises(JotgateError) as caught:
                guard.verify(token)
            refused[name] = caught.value.code

    assert refused["expired"] == "token_expired"
    assert refused["not_yet_valid"] == refused["issued_in_the_future"] == "token_not_yet_valid"
    assert refused["lives_too_long"] == "lifetime_excessive"
    assert refused["wrong_audience"] == "audience_mismatch"
    assert refused["wrong_issuer"] == "issuer_mismatch"
    assert refused["swapped_key"] == refused["tampered"] == "signature_invalid"
    assert refused["id_token"] == "type_mismatch"
    assert (refused["revoked"], refused["claims_stale"]) == ("token_revoked", "claims_stale")


def test_the_edges_are_sharp() -> None:
    """A second less, and it would be good: else the token would show nothing about the comparison."""
    of = model("ES256")
    keys, expect = jwks.of(jwk.public_half(of.key)), Expect("https://auth.example.com", "gym")
    found = of_model(of)

    for name, seconds in (("expired", -1), ("not_yet_valid", 1), ("issued_in_the_future", 1)):
        assert jwt.decode(found[name], keys, expect, now=NOW + seconds).sub == "ada"


def test_a_guard_without_news_is_not_expected_to_hear_of_revocations(guard: Guard) -> None:
    deaf = Guard("https://auth.example.com", revocation=None)
    with TestIssuer(deaf) as issuer:
        found = issuer.bad_tokens()

    assert not {"revoked", "claims_stale"} & found.keys()


def test_what_a_path_requires_is_in_every_one_that_can_say_it(issuer: TestIssuer, guard: Guard) -> None:
    """A hostile token without the role would be refused for the wrong reason."""
    of = issuer.model("manager", "payments:read")

    assert of.claims["roles"] == ["manager"]
    assert of.claims["scope"] == "payments:read"
    assert guard.verify(of.good).roles == ("manager",)
