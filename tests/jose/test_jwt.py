import json
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from jotgate.errors import (
    AudienceMismatch,
    Expired,
    IssuerMismatch,
    KeyRefused,
    Malformed,
    Misuse,
    SignatureInvalid,
    TypeMismatch,
    UnknownKey,
)
from jotgate.jose import Claims, Expect, b64, jwk, jwks, jwt
from tests.jose.keys import AUDIENCE, CLAIMS, EXPECT, ISSUER, NOW, algorithms, claims, header, key, signed

KEY = key("ES256")


@pytest.mark.parametrize("alg", algorithms())
def test_what_is_encoded_is_decoded(alg: str) -> None:
    token = jwt.encode(CLAIMS, key(alg))

    assert jwt.decode(token, jwks.of(key(alg)), EXPECT, now=NOW) == CLAIMS
    assert jwt.decode(token.encode(), key(alg), EXPECT, now=NOW) == CLAIMS


@pytest.mark.parametrize("alg", algorithms())
def test_the_header_is_exactly_alg_kid_and_typ(alg: str) -> None:
    head, payload, _ = jwt.encode(CLAIMS, key(alg)).split(".")

    assert json.loads(b64.decode(head)) == {"alg": alg, "kid": f"{alg}-1", "typ": "at+jwt"}
    assert json.loads(b64.decode(payload))["sub"] == CLAIMS.sub


@pytest.mark.parametrize(
    "typ", ["at+jwt", "AT+JWT", "at+JWT", "application/at+jwt", "Application/AT+jwt", "aPPLICATION/at+jwt"]
)
def test_an_access_token_says_so_in_any_letter_case(typ: str) -> None:
    assert jwt.decode(signed(KEY, header(KEY, typ=typ)), KEY, EXPECT, now=NOW)


@pytest.mark.parametrize(
    "typ",
    [
        "JWT",
        "jwt",
        "",
        "at",
        "at+jwt ",
        " at+jwt",
        "at+jwt;v=1",
        "id_token+jwt",
        "dpop+jwt",
        "logout+jwt",
        "text/at+jwt",
        "rt+jwt",
        "application/",
        "application/jwt",
        "application/application/at+jwt",
        "application/ at+jwt",
        "\u0430t+jwt",
        "at\\u002bjwt",
    ],
)
def test_everything_else_is_no_access_token(typ: str) -> None:
    with pytest.raises(TypeMismatch):
        jwt.decode(signed(KEY, header(KEY, typ=typ)), KEY, EXPECT, now=NOW)


def test_a_token_without_typ_is_no_access_token() -> None:
    with pytest.raises(TypeMismatch):
        jwt.decode(signed(KEY, header(KEY, typ=...)), KEY, EXPECT, now=NOW)


def test_another_typ_can_be_asked_for() -> None:
    token = jwt.encode(CLAIMS, KEY, typ="logout+jwt")

    assert jwt.decode(token, KEY, Expect(ISSUER, AUDIENCE, typ="logout+jwt"), now=NOW) == CLAIMS
    with pytest.raises(TypeMismatch):
        jwt.decode(token, KEY, EXPECT, now=NOW)


def test_what_access_token_and_claims_refuse_is_refused() -> None:
    token = jwt.encode(CLAIMS, KEY)

    with pytest.raises(IssuerMismatch):
        jwt.decode(token, KEY, Expect("https://another.example", AUDIENCE), now=NOW)
    with pytest.raises(AudienceMismatch):
        jwt.decode(token, KEY, Expect(ISSUER, "pool"), now=NOW)
    with pytest.raises(Expired):
        jwt.decode(token, KEY, EXPECT, now=NOW + 910)
    with pytest.raises(Malformed):
        jwt.decode(signed(KEY, None, claims(exp=1.5)), KEY, EXPECT, now=NOW)
    with pytest.raises(Malformed):
        jwt.decode(signed(KEY, None, b"no json"), KEY, EXPECT, now=NOW)


def test_a_refusal_quotes_neither_token_nor_claims() -> None:
    secret = "hunter2-and-more"  # stands for anything that a token may hold
    token = signed(KEY, None, claims(sub=f"{secret}\n", roles=[secret, 5], x=secret))

    with pytest.raises(Malformed) as caught:
        jwt.decode(token, KEY, EXPECT, now=NOW)

    assert secret not in f"{caught.value!r} {caught.value.detail}"
    assert caught.value.__cause__ is None


def test_the_signature_comes_first() -> None:
    token = signed(key("ES256", "another"), header(KEY), claims(iss="https://evil.example", exp=0))

    with pytest.raises(SignatureInvalid):
        jwt.decode(token, KEY, EXPECT, now=NOW)


def test_tokens_of_one_issuer_are_nothing_to_the_keys_of_another() -> None:
    theirs = jwks.of(key("RS256"), key("ES256", "another"))

    with pytest.raises(UnknownKey):
        jwt.decode(jwt.encode(CLAIMS, KEY), theirs, EXPECT, now=NOW)


def test_a_key_that_left_the_set_verifies_no_more() -> None:
    token = jwt.encode(CLAIMS, KEY)
    before, after = jwks.of(KEY, key("ES256", "next")), jwks.of(key("ES256", "next"))

    assert jwt.decode(token, before, EXPECT, now=NOW)
    with pytest.raises(UnknownKey):
        jwt.decode(token, after, EXPECT, now=NOW)


def test_claims_that_would_be_refused_are_not_signed() -> None:
    with pytest.raises(Misuse):
        jwt.encode(Claims(iss=ISSUER, sub="", aud=(AUDIENCE,), exp=NOW + 1, iat=NOW), KEY)
    with pytest.raises(Misuse):
        jwt.encode(msgspec.structs.replace(CLAIMS, extra={"x": "y" * 8000}), KEY)
    with pytest.raises(KeyRefused):
        jwt.encode(CLAIMS, jwk.public_half(KEY))


def test_many_keys_and_types_have_each_their_own_header() -> None:
    by = key("HS256")

    for number in range(300):
        named = jwk.from_private_bytes("HS256", f"kid-{number}", jwk.to_private_bytes(by))
        assert jwt.decode(jwt.encode(CLAIMS, named), named, EXPECT, now=NOW)


def test_threads_share_keys() -> None:
    keys = jwks.of(*(key(alg, kid) for alg in ("ES256", "RS256", "EdDSA") for kid in ("a " + alg, "b " + alg)))
    tokens = [jwt.encode(CLAIMS, each) for each in keys.keys]

    def decode(number: int) -> bool:
        token = tokens[number % len(tokens)]
        good = jwt.decode(token, keys, EXPECT, now=NOW) == CLAIMS
        with pytest.raises(SignatureInvalid):
            jwt.decode(token[:-8] + "AAAAAAAA", keys, EXPECT, now=NOW)
        return good

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(decode, range(400)))
