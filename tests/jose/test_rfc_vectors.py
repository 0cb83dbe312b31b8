"""RFC 7515 appendix A, RFC 7520 section 4 and companions: what is compact verifies, every other form is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from jotgate.errors import JotgateError, Malformed, SignatureInvalid, TokenError
from jotgate.jose import b64, jwk, jws
from tests.jose import facts
from tests.jose.vectors import VECTORS, files, needs_vectors, read

COMPACT = [
    "rfc7520/jws/4_1.rsa_v15_signature.json",
    "rfc7520/jws/4_2.rsa-pss_signature.json",
    "rfc7520/jws/4_3.ecdsa_signature.json",
    "rfc7520/jws/4_4.hmac-sha2_integrity_protection.json",
    "rfc7520/curve25519/jws.json",
]
# Forms of JWS that are no compact tokens with a protected header and their payload in them.
OTHER_FORMS = {
    "rfc7520/jws/4_5.signature_with_detached_content.json": "the payload is elsewhere",
    "rfc7520/jws/4_6.protecting_specific_header_fields.json": "a header that is not protected; JSON only",
    "rfc7520/jws/4_7.protecting_content_only.json": "no protected header; JSON only",
    "rfc7520/jws/4_8.multiple_signatures.json": "several signatures; JSON only",
    "rfc7520/rfc7797/4.2.hmac-sha2_b64_false.json": "b64: a payload that is not encoded; JSON only",
    "rfc7520/rfc7797/hmac-sha2_b64_false.json": "b64: a payload that is not encoded",
}
REPRODUCIBLE = {"RS256", "HS256", "EdDSA"}


def appendix_a(expect: str) -> list[Any]:
    return [
        pytest.param(example, id=example["id"])
        for example in read("rfc7515/appendix_a.json")
        if example["expect"] == expect
    ]


def texts(value: Any) -> list[str]:
    """Every serialization in `output`, as text."""
    return [each if isinstance(each, str) else json.dumps(each) for each in value.values()]


@needs_vectors
@pytest.mark.parametrize("example", appendix_a("valid"))
def test_rfc_7515_appendix_a_verifies(example: dict[str, Any]) -> None:
    by = jwk.parse(example["jwk"], alg=example["alg"])

    assert jws.verify(example["compact"], by).payload == example["payload"].encode()


@needs_vectors
@pytest.mark.parametrize("example", appendix_a("invalid"))
def test_rfc_7515_appendix_a_is_refused(example: dict[str, Any]) -> None:
    token = example.get("compact") or json.dumps(example["json"])
    by = jwk.parse(example["jwk"] or facts.HS256_KEY, alg="HS256" if example["alg"] == "none" else example["alg"])

    with pytest.raises(TokenError):
        jws.verify(token, by)


@needs_vectors
@pytest.mark.parametrize("name", COMPACT)
def test_rfc_7520_verifies_and_is_made_again(name: str) -> None:
    example = read(name)
    by = jwk.parse(example["input"]["key"], alg=example["input"]["alg"])
    compact = example["output"]["compact"]

    assert jws.verify(compact, by).payload == example["input"]["payload"].encode()
    if example["input"]["alg"] in REPRODUCIBLE:
        data, _, signature = compact.rpartition(".")
        assert b64.encode(by.sign(data.encode())) == signature


@needs_vectors
def test_the_signed_part_of_the_nested_example_verifies() -> None:
    example = read("rfc7520/6.nesting_signatures_and_encryption.json")["sign"]
    by = jwk.parse(example["input"]["key"], alg="PS256")

    assert jws.verify(example["output"]["compact"], by).payload == example["input"]["payload"].encode()


@needs_vectors
@pytest.mark.parametrize("name", OTHER_FORMS)
def test_other_forms_of_jws_are_refused(name: str) -> None:
    example = read(name)
    keys = example["input"]["key"] if isinstance(example["input"]["key"], list) else [example["input"]["key"]]

    for members in keys:
        by = jwk.parse({"alg": {"RSA": "RS256", "EC": "ES512"}.get(members["kty"], "HS256")} | members)
        for text in texts(example["output"]):
            with pytest.raises((Malformed, SignatureInvalid)):
                jws.verify(text, by)


@needs_vectors
@pytest.mark.parametrize("path", files("rfc7520/jwk/*.json"), ids=lambda path: path.name)
def test_rfc_7520_keys_are_read_if_they_are_for_signatures(path: Path) -> None:
    members = json.loads(path.read_text("utf-8"))
    members = members.get("key", members)

    if members["use"] == "sig":
        made = jwk.parse(members, alg=members.get("alg", {"RSA": "RS256", "EC": "ES512"}.get(members["kty"], "HS256")))
        assert made.kid == members["kid"]
    else:
        with pytest.raises(JotgateError):
            jwk.parse(members)


@needs_vectors
def test_no_jws_vector_was_forgotten() -> None:
    found = {
        str(path.relative_to(VECTORS))
        for folder in ("jws", "rfc7797", "curve25519")
        for path in files(f"rfc7520/{folder}/*.json")
    }

    assert found - {"rfc7520/curve25519/ecdh-es.json"} == {*COMPACT, *OTHER_FORMS}
