"""Our tokens in the libraries of others, set up as their manuals say: good ones pass, and the gaps are known."""

import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import joserfc.jwt
import jwt as pyjwt
import pytest
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from jotgate.core.policy import ALGORITHMS
from jotgate.errors import TokenError
from jotgate.guard.guard import Guard
from jotgate.jose import Key, jwks
from tests.interop import known, node
from tests.interop.tokens import AUDIENCE, bad, forged, good
from tests.jose.keys import key
from tests.jose.oracles import SUPPORTED, public_jwk

ISSUER = "https://auth.example.com"
ALGS = ("ES256", "RS256", "PS256", "EdDSA", "HS256")
Judge = Callable[[Key, Iterable[str]], list[bool]]


def guard(by: Key, tokens: Iterable[str]) -> list[bool]:
    """Ours, beside the others."""
    keys: dict[str, Any] = {"hs256_secret": by.private} if by.kty == "oct" else {"jwks": jwks.of(by).export()}
    verify = Guard(ISSUER, audience=AUDIENCE, **keys).verify
    return [_accepts(verify, token, TokenError) for token in tokens]


def pyjwt_says(by: Key, tokens: Iterable[str]) -> list[bool]:
    secret = by.private if by.kty == "oct" else by.public
    options: Any = {"require": ["exp", "iat", "iss", "aud", "sub"]}

    def read(token: str) -> object:
        return pyjwt.decode(token, secret, [by.alg], audience=AUDIENCE, issuer=ISSUER, options=options)

    return [_accepts(read, token, pyjwt.PyJWTError) for token in tokens]


def joserfc_says(by: Key, tokens: Iterable[str]) -> list[bool]:
    named: Any = {"essential": True}
    asked = JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}, exp=named, sub=named
    )

    def read(token: str) -> object:
        registry = JWSRegistry(algorithms=[by.alg], strict_check_header=False)
        with warnings.catch_warnings(action="ignore"):  # it deprecates the name EdDSA
            said = joserfc.jwt.decode(token, import_key(public_jwk(by)), registry=registry)
        asked.validate(said.claims)
        return said

    return [_accepts(read, token, (JoseError, ValueError)) for token in tokens]


def npm_jose_says(by: Key, tokens: Iterable[str]) -> list[bool]:
    asked = [{"alg": by.alg, "jwk": public_jwk(by), "token": token} for token in tokens]
    answer = node.ask(now=int(time.time()), issuer=ISSUER, audience=AUDIENCE, verify=asked, sign=[])
    return ["sub" in said for said in answer["verified"]]


def _accepts(read: Callable[[str], object], token: str, refusals: Any) -> bool:
    try:
        read(token)
    except refusals:
        return False
    return True


JUDGES: dict[str, Judge] = {
    "jotgate": guard,
    "PyJWT": pyjwt_says,
    "joserfc": joserfc_says,
    "npm jose": npm_jose_says,
}


@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize("library", JUDGES)
def test_of_the_bad_tokens_nothing_forged_passes_and_the_rest_is_known(library: str, alg: str) -> None:
    by = key(alg)
    hostile = bad(by, ISSUER)

    accepted, *others = JUDGES[library](by, [good(by, ISSUER), *hostile.values()])

    through = {name for name, passed in zip(hostile, others, strict=True) if passed}
    assert accepted
    assert not through & dict(forged(by, ISSUER)).keys()
    assert through <= (set() if library == "jotgate" else known.gaps(library))


def test_every_gap_that_is_written_down_is_a_token_that_is_tried() -> None:
    assert known.table("bad token").keys() <= bad(key("ES256"), ISSUER).keys()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_is_written_of_the_libraries_algorithms_is_what_the_tests_of_signatures_try(alg: str) -> None:
    said = known.table("algorithm")[f"`{alg}`"]

    assert {library: alg in algs for library, algs in SUPPORTED.items()} == {
        library: said[library] == "yes" for library in SUPPORTED
    }
    assert (said["npm jose"] == "yes") is not alg.startswith("ML-DSA")
