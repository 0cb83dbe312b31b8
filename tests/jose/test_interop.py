"""Our tokens in other libraries, theirs in ours: PyJWT, joserfc, jwcrypto, and npm `jose` through one Node process."""

from functools import cache
from typing import Any

import pytest

from jotgate.errors import JotgateError
from jotgate.jose import ALGS, Key, b64, jwks, jwt
from tests.interop.node import ask
from tests.jose.keys import AUDIENCE, CLAIMS, EXPECT, ISSUER, MEMBERS, NOW, key
from tests.jose.oracles import READERS, SIGNERS, SUPPORTED, pem, public_jwk

PAIRS = [(library, alg) for library, algs in SUPPORTED.items() for alg in algs]
NODE = [alg for alg in ALGS if not alg.startswith("ML-DSA")]  # Node's WebCrypto has ML-DSA from version 24.7 on


@pytest.mark.parametrize(("library", "alg"), PAIRS)
def test_our_tokens_verify_in_python(library: str, alg: str) -> None:
    token = jwt.encode(CLAIMS, key(alg))

    read = READERS[library](token, key(alg))

    assert read is not None
    assert read["sub"] == CLAIMS.sub


@pytest.mark.parametrize(("library", "alg"), PAIRS)
def test_pythons_tokens_verify_in_ours(library: str, alg: str) -> None:
    token = SIGNERS[library](MEMBERS, key(alg))

    assert jwt.decode(token, jwks.of(key(alg)), EXPECT, now=NOW).sub == MEMBERS["sub"]


@pytest.mark.parametrize(("library", "alg"), PAIRS)
def test_our_changed_tokens_are_refused_in_python(library: str, alg: str) -> None:
    token = jwt.encode(CLAIMS, key(alg, "another"))

    assert READERS[library](token, key(alg)) is None


# --- npm jose


@cache
def node() -> dict[str, Any]:
    """All questions to Node in one process."""
    return ask(
        now=NOW,
        issuer=ISSUER,
        audience=AUDIENCE,
        verify=[verify_request(alg, key(alg, kid)) for kid in (None, "another") for alg in NODE],
        sign=[sign_request(alg) for alg in NODE],
    )


def verify_request(alg: str, by: Key) -> dict[str, Any]:
    """Signed by `by`, to be verified with the key that is known."""
    return {"alg": alg, "jwk": public_jwk(key(alg)), "token": jwt.encode(CLAIMS, by)}


def sign_request(alg: str) -> dict[str, Any]:
    private = {"secret": b64.encode(key(alg).private)} if alg.startswith("HS") else {"pkcs8": pem(key(alg)).decode()}
    return {"alg": alg, "kid": key(alg).kid, "claims": MEMBERS, **private}


@pytest.mark.parametrize("alg", NODE)
def test_our_tokens_verify_in_npm_jose(alg: str) -> None:
    assert node()["verified"][NODE.index(alg)] == {"sub": CLAIMS.sub}


@pytest.mark.parametrize("alg", NODE)
def test_npm_joses_tokens_verify_in_ours(alg: str) -> None:
    token = node()["signed"][NODE.index(alg)]

    assert jwt.decode(token, jwks.of(key(alg)), EXPECT, now=NOW).sub == MEMBERS["sub"]
    with pytest.raises(JotgateError):
        jwt.decode(token, jwks.of(key(alg, "another")), EXPECT, now=NOW)


@pytest.mark.parametrize("alg", NODE)
def test_a_strangers_tokens_are_refused_in_npm_jose_as_in_ours(alg: str) -> None:
    assert node()["verified"][len(NODE) + NODE.index(alg)] == {"error": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"}
