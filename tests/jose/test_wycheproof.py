"""Google's JWS vectors: 395 of 395. What of the file is not taken as it stands is listed here, each with its reason."""

from typing import Any

import pytest

from jotgate.errors import KeyRefused, TokenError
from jotgate.jose import Key, b64, jwk, jws
from jotgate.jose.algs import ALGS
from tests.jose.vectors import needs_vectors, read

UNDECIDABLE = {
    346: "key says PS256, token PS384",
    347: "key says ES521, which does not exist, token ES512",
    350: "as 346",
    351: "as 347",
}
DUPLICATES = {
    367: "marked invalid, but equals 357, which is valid",
    370: "marked invalid, but equals 357, which is valid",
}
RELABELLED = {
    372: "marked valid, but holds a question mark",
    373: "marked valid, but holds a question mark",
}
# Its secret is 32 zero bytes: our parser refuses it, so its vectors are shown below the parser.
ZERO_SECRET_GROUP = "base64"

GROUPS: list[dict[str, Any]] = read("wycheproof/json_web_signature_test.json").get("testGroups", [])
CASES = [
    pytest.param(group, test, id=f"{test['tcId']}-{test['comment']}")
    for group in GROUPS
    for test in group["tests"]
    if test["tcId"] not in UNDECIDABLE | DUPLICATES
]


def verifying(group: dict[str, Any]) -> Key:
    members = group.get("public") or group["private"]
    if group["comment"] == ZERO_SECRET_GROUP:
        return jwk.build(ALGS[members["alg"]], None, b64.decode(members["k"]), kid=members["kid"])
    return jwk.parse(members)


def accepted(group: dict[str, Any], token: str) -> bool:
    try:
        jws.verify(token, verifying(group))
    except (TokenError, KeyRefused):
        return False
    return True


@needs_vectors
def test_395_vectors_are_taken() -> None:
    assert sum(len(group["tests"]) for group in GROUPS) == 401
    assert len(CASES) == 395


@needs_vectors
@pytest.mark.parametrize(("group", "test"), CASES)
def test_vector(group: dict[str, Any], test: dict[str, Any]) -> None:
    valid = test["result"] == "valid" and test["tcId"] not in RELABELLED

    assert accepted(group, test["jws"]) is valid


@needs_vectors
def test_the_reasons_hold() -> None:
    tokens = {test["tcId"]: test for group in GROUPS for test in group["tests"]}

    assert {tokens[number]["jws"] for number in DUPLICATES} == {tokens[357]["jws"]}
    assert tokens[357]["result"] == "valid"
    assert all("?" in tokens[number]["jws"] and tokens[number]["result"] == "valid" for number in RELABELLED)


@needs_vectors
def test_the_secret_of_zero_bytes_is_refused_by_the_parser() -> None:
    (group,) = (group for group in GROUPS if group["comment"] == ZERO_SECRET_GROUP)

    with pytest.raises(KeyRefused):
        jwk.parse(group["private"])
