from collections.abc import Mapping
from typing import Any

import pytest

from jotgate.errors import KeyRefused, Malformed, Misuse, SignatureInvalid, TokenError, UnknownKey
from jotgate.jose import b64, jwk, jwks, jws, strictjson
from tests.jose import facts
from tests.jose.keys import algorithms, header, key, sealed, segment, signed

KEY = key("ES256")


@pytest.mark.parametrize("alg", algorithms())
@pytest.mark.parametrize("payload", [b"", b"\0", b"any bytes \xff", b"x" * 1000])
def test_what_is_signed_is_verified(alg: str, payload: bytes) -> None:
    token = jws.sign(payload, key(alg), header={"typ": "example", "x": [1]})

    verified = jws.verify(token, jwks.of(key(alg)))

    assert verified.payload == payload
    assert verified.header == {"alg": alg, "kid": f"{alg}-1", "typ": "example", "x": (1,)}
    assert jws.verify(token.encode(), key(alg)) == verified


@pytest.mark.parametrize("alg", ["HS256", "RS256", "ES256", "ES512"])
def test_the_tokens_of_rfc_7515_verify(alg: str) -> None:
    members, token, payload = (getattr(facts, f"{alg}_{name}") for name in ("KEY", "TOKEN", "PAYLOAD"))

    assert jws.verify(token, jwk.parse(members, alg=alg)).payload == payload


def test_the_token_of_rfc_8037_verifies_and_is_made_again() -> None:
    by = jwk.parse(facts.ED25519_KEY)

    assert jws.verify(facts.ED25519_TOKEN, by).payload == facts.ED25519_PAYLOAD
    assert (
        b64.encode(by.sign(facts.ED25519_TOKEN.rpartition(".")[0].encode())) == facts.ED25519_TOKEN.rpartition(".")[2]
    )


def test_what_was_verified_cannot_be_changed() -> None:
    verified = jws.verify(jws.sign(b"", KEY, header={"x": [{"y": 1}]}), KEY)

    with pytest.raises(TypeError):
        verified.header["alg"] = "none"  # type: ignore[index] # that is the point
    with pytest.raises(TypeError):
        verified.header["x"][0]["y"] = 2


# --- the header


@pytest.mark.parametrize(
    "more",
    [
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": jwk.export_public(key("ES256", "another"))},
        {"x5c": ["MIIB"]},
        {"x5t": "a", "x5t#S256": "b", "cty": "JWT"},
        {"anything": {"else": [1, 2, None]}},
        {"typ": ...},
    ],
)
def test_names_that_mean_nothing_here_are_ignored(more: dict[str, Any]) -> None:
    assert jws.verify(signed(KEY, header(KEY, **more)), KEY)


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": None},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"alg": 5},
        {"alg": None},
        {"alg": ["ES256"]},
        {"alg": ...},
        {"kid": 5},
        {"kid": None},
        {"kid": ["ES256-1"]},
        {"typ": 5},
        {"jwk": "https://evil.example"},
        {"jwk": [{}]},
        {"jku": {}},
        {"x5u": 5},
        {"x5c": "MIIB"},
        {"x5t": None},
        {"x5t#S256": 1},
        {"cty": ["JWT"]},
        {"typ": None},
        {"typ": ["at+jwt"]},
    ],
)
def test_headers_that_are_malformed_or_ask_for_more_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        jws.verify(signed(KEY, header(KEY, **more)), KEY)


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES256K", "HS1", "dir", "RSA-OAEP"]
)
def test_algorithms_that_are_not_in_the_table_are_refused(alg: str) -> None:
    with pytest.raises(SignatureInvalid):
        jws.verify(signed(KEY, header(KEY, alg=alg)), KEY)


@pytest.mark.parametrize("alg", [alg for alg in algorithms() if alg != "ES256"])
def test_an_algorithm_that_is_not_the_keys_own_is_refused(alg: str) -> None:
    with pytest.raises(SignatureInvalid):
        jws.verify(signed(KEY, header(KEY, alg=alg)), jwks.of(KEY))


def test_a_name_that_no_key_has_is_an_unknown_key() -> None:
    for keys in (KEY, jwks.of(KEY)):
        with pytest.raises(UnknownKey):
            jws.verify(signed(KEY, header(KEY, kid="another")), keys)


def test_without_kid_the_only_key_of_the_algorithm_is_asked() -> None:
    token = signed(KEY, header(KEY, kid=...))

    assert jws.verify(token, KEY) == jws.verify(token, jwks.of(KEY, key("RS256")))
    with pytest.raises(UnknownKey):
        jws.verify(token, jwks.of(KEY, key("ES256", "another")))


def test_a_header_of_1024_bytes_is_read_and_one_more_is_not() -> None:
    room = jws.MAX_HEADER - len(strictjson.dumps(header(KEY, x="")))

    assert jws.verify(signed(KEY, header(KEY, x="y" * room)), KEY)
    for size in (room + 1, room + 2, room + 3, room + 2000):
        with pytest.raises(Malformed):
            jws.verify(signed(KEY, header(KEY, x="y" * size)), KEY)


def test_a_token_of_8192_bytes_is_read_and_one_more_is_not() -> None:
    head = segment(header(KEY))
    fixed = len(head) + 2 + 86

    longest = sealed(KEY, head, b"A" * ((jws.MAX_TOKEN - fixed) // 4 * 4))
    too_long = sealed(KEY, head, b"A" * ((jws.MAX_TOKEN - fixed) // 4 * 4 + 4))

    assert len(longest) <= jws.MAX_TOKEN < len(too_long)
    assert jws.verify(longest, KEY)
    with pytest.raises(Malformed):
        jws.verify(too_long, KEY)
    for huge in ("a" * 8193, "." * 8193, "a" * 2**22, b"a.b.c" * 2**20, "é" * 8000):
        with pytest.raises(Malformed):
            jws.verify(huge, KEY)


# --- the form


@pytest.mark.parametrize(
    "token", [None, 5, [], {}, bytearray(b"a.b.c"), memoryview(b"a.b.c"), object(), "é.é.é", "\ud800"]
)
def test_what_is_no_ascii_text_is_malformed(token: Any) -> None:
    with pytest.raises(Malformed):
        jws.verify(token, KEY)
    with pytest.raises(Malformed):
        jws.peek(token)


@pytest.mark.parametrize("token", ["", ".", "..", "...", "a", "a.b", "a.b.c.d", "eyJ9", "..c", ".b.", "{}.{}.{}"])
def test_what_has_not_three_segments_is_refused(token: str) -> None:
    with pytest.raises(Malformed):
        jws.verify(token, KEY)


def test_more_or_fewer_segments_of_a_good_token_are_refused() -> None:
    good = signed(KEY)
    head, payload, signature = good.split(".")

    for token in (
        f"{head}.{payload}",
        f"{head}.{payload}.",
        f"{head}..{signature}",
        f".{payload}.{signature}",
        f"{good}.",
        f".{good}",
        f"{good}.{signature}",
        f"{head}.{good}",
        f"{head}.{payload}.{payload}.{signature}",
        f"{head}.{signature}.{payload}",
    ):
        with pytest.raises(TokenError):
            jws.verify(token, KEY)


# --- signing


@pytest.mark.parametrize("more", [{"alg": "none"}, {"kid": "x"}, {"crit": ["x"]}, {"b64": False}, {"zip": "DEF"}])
def test_headers_that_would_be_refused_are_not_signed(more: Mapping[str, Any]) -> None:
    with pytest.raises(Misuse):
        jws.sign(b"", KEY, header=more)


def test_headers_and_tokens_that_are_too_long_are_not_signed() -> None:
    with pytest.raises(Misuse):
        jws.sign(b"", KEY, header={"x": "y" * 1024})
    with pytest.raises(Misuse):
        jws.sign(b"x" * 8192, KEY)


def test_a_public_half_signs_nothing() -> None:
    with pytest.raises(KeyRefused):
        jws.sign(b"", jwk.public_half(KEY))


# --- what is remembered


def test_a_header_is_remembered_only_under_a_good_signature() -> None:
    keys = jwks.of(jwk.public_half(KEY))
    good = signed(KEY)

    for _ in range(2):
        with pytest.raises(SignatureInvalid):
            jws.verify(good[:-6] + "AAAAAA", keys)
        assert not keys.known
    jws.verify(good, keys)

    assert list(keys.known) == [good.partition(".")[0].encode()]
    with pytest.raises(SignatureInvalid):
        jws.verify(good[:-6] + "AAAAAA", keys)


def test_what_one_set_remembers_is_nothing_to_another() -> None:
    good = signed(KEY)
    jws.verify(good, jwks.of(KEY))

    with pytest.raises(UnknownKey):
        jws.verify(good, jwks.of(key("RS256")))
    with pytest.raises(SignatureInvalid):
        jws.verify(
            good, jwks.of(jwk.from_private_bytes("ES256", KEY.kid, jwk.to_private_bytes(key("ES256", "another"))))
        )


def test_no_more_than_64_headers_are_remembered() -> None:
    by = key("HS256")
    keys = jwks.of(by)

    for number in range(200):
        assert jws.verify(signed(by, header(by, n=number)), keys)
        assert len(keys.known) <= 64


# --- looking without verifying


def test_peek_shows_the_header_of_a_token_that_nobody_has_verified() -> None:
    seen = jws.peek(signed(KEY)[:-5])

    assert (seen.alg, seen.kid, seen.typ) == ("ES256", "ES256-1", "at+jwt")
    assert jws.peek(signed(KEY).encode()) == seen
    for token in ("", "x" * 8193, signed(KEY, header(KEY, alg=5))):
        with pytest.raises(Malformed):
            jws.peek(token)


@pytest.mark.parametrize(
    ("typ", "means"),
    [
        ("at+jwt", "at+jwt"),
        ("AT+JWT", "at+jwt"),
        ("application/at+jwt", "at+jwt"),
        ("Application/At+Jwt", "at+jwt"),
        ("application/application/at+jwt", "application/at+jwt"),
        ("JWT", "jwt"),
        ("DPoP+\u212aWT", "DPoP+\u212aWT"),  # the Kelvin sign in lower case is a k
        ("", ""),
    ],
)
def test_a_typ_is_compared_as_a_media_type(typ: str, means: str) -> None:
    assert jws.media_type(typ) == means
