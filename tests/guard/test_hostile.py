"""Nothing but jotgate's own errors leaves a guard, whatever comes in; and nothing altered is let in."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.errors import JotgateError
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys
from jotgate.guard.options import Options
from jotgate.guard.principal import Principal
from jotgate.guard.request import Facts, check_site, credentials
from jotgate.jose import b64, jwk, jwks, jwt, new_key
from tests.guard.standin import claims

ISSUER = "https://auth.example.com"
NOW = int(time.time())
KEY = new_key("ES256", "k1")
SECRET = new_key("HS256", "k2")
GUARDS = {
    "ES256": (Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY))), jwt.encode(claims(ISSUER), KEY)),
    "HS256": (Guard(ISSUER, hs256_secret=jwk.to_private_bytes(SECRET)), jwt.encode(claims(ISSUER), SECRET)),
}

many = settings(max_examples=1200, deadline=None, derandomize=True)
names = st.sampled_from(sorted(GUARDS))


def refused(guard: Guard, token: Any) -> bool:
    """Whether it is refused; any other exception than jotgate's own ends the test."""
    try:
        guard.verify(token)
    except JotgateError as error:
        return guard.answer(error).status == 401
    return False


@many
@given(names, st.one_of(st.binary(max_size=300), st.text(max_size=300)))
def test_anything_at_all_is_refused(name: str, token: bytes | str) -> None:
    assert refused(GUARDS[name][0], token)


@many
@given(names, st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 127)), min_size=1, max_size=5))
def test_flipped_bits_are_refused(name: str, flips: list[tuple[int, int]]) -> None:
    guard, good = GUARDS[name]
    data = bytearray(good.encode())
    for place, bits in flips:
        data[place % len(data)] ^= bits

    assert refused(guard, bytes(data)) is (bytes(data) != good.encode())


@many
@given(names, st.integers(0, 10_000), st.integers(0, 10_000), st.text("AQgw_-=.\n \x00\u00e4", max_size=4))
def test_what_is_cut_out_or_put_in_is_refused(name: str, start: int, end: int, between: str) -> None:
    guard, good = GUARDS[name]
    start, end = sorted((start % len(good), end % len(good)))

    token = good[:start] + between + good[end:]

    assert refused(guard, token) is (token != good)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
claim_names = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "sid",
    "scope",
    "roles",
    "epoch",
    "client_id",
    "amr",
    "csrf",
]


@many
@given(
    names, st.dictionaries(st.sampled_from(claim_names), json_values, max_size=4), st.sets(st.sampled_from(claim_names))
)
def test_signed_nonsense_is_refused_or_is_a_principal(name: str, changed: dict[str, Any], left_out: set[str]) -> None:
    guard, good = GUARDS[name]
    header, payload, _ = good.split(".")
    said = {key: value for key, value in json.loads(b64.decode(payload)).items() if key not in left_out} | changed
    signing = f"{header}.{b64.encode(json.dumps(said).encode())}"
    key = KEY if name == "ES256" else SECRET

    token = f"{signing}.{b64.encode(key.sign(signing.encode()))}"

    if not refused(guard, token):
        who = guard.verify(token)
        assert who.claims["iss"] == ISSUER
        assert ISSUER in who.claims["aud"]
        assert who.sub == said["sub"] != ""
        assert NOW - 1000 < who.claims["exp"] <= who.claims["iat"] + 86_400


@many
@given(name=names, rest=st.one_of(st.binary(max_size=200), st.text(max_size=200)), is_bearer=st.booleans())
def test_any_header_is_judged(name: str, rest: bytes | str, *, is_bearer: bool) -> None:
    guard, _ = GUARDS[name]
    header: bytes | str = rest
    if is_bearer:
        header = "Bearer " + rest if isinstance(rest, str) else b"Bearer " + rest

    with pytest.raises(JotgateError):
        assert not isinstance(guard.admit(header, now=NOW), Principal | NeedKeys)


values = st.lists(st.text(st.characters(max_codepoint=255), max_size=40), max_size=2)


@many
@given(
    st.sampled_from(["GET", "POST", "WEBSOCKET", "", "\u00e4"]),
    st.dictionaries(
        st.sampled_from(["authorization", "cookie", "origin", "host", "sec-fetch-site", "x-csrf-token"]),
        values,
        max_size=6,
    ),
)
def test_any_request_is_judged(method: str, headers: dict[str, list[str]]) -> None:
    options = Options(ISSUER, cookie="at")
    facts = Facts(method, "https", lambda name: headers.get(name, ()))

    try:
        credentials(facts, options)
        check_site(facts, Principal("ada", claims={"csrf": "c1"}), options)
    except JotgateError:
        return
    assert method == "GET" or headers.get("origin") or headers.get("sec-fetch-site")
