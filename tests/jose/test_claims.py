import json
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from jotgate.errors import Malformed, Misuse
from jotgate.jose import claims, strictjson
from jotgate.jose.claims import Claims, Expect
from tests.jose.keys import AUDIENCE, CLAIMS, ISSUER, MEMBERS, NOW
from tests.jose.keys import claims as members


def spelt(said: dict[str, Any]) -> bytes:
    """JSON as others write it: with spaces, so that it is read the exact way."""
    return json.dumps(said).encode()


def test_our_own_claims_are_read_back_as_they_were_written() -> None:
    assert claims.read(claims.write(CLAIMS)) == CLAIMS


def test_what_is_written_is_compact_json_in_our_order() -> None:
    least = Claims(iss="i", sub="s", aud=("a",), exp=2, iat=1)

    assert claims.write(least) == b'{"iss":"i","sub":"s","aud":["a"],"exp":2,"iat":1}'
    assert list(json.loads(claims.write(CLAIMS))) == [
        *("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "scope", "roles"),
        *("epoch", "auth_time", "amr"),
    ]


def test_claims_are_the_same_however_they_are_spelt() -> None:
    written = claims.write(CLAIMS)
    reordered = dict(reversed(json.loads(written).items()))

    assert claims.read(spelt(reordered)) == CLAIMS
    assert claims.read(strictjson.dumps(reordered)) == CLAIMS
    assert claims.read(b" " + written) == CLAIMS
    assert claims.read(written.replace(b'"iss"', b'"\\u0069ss"')) == CLAIMS


def test_absent_claims_have_defaults() -> None:
    least = claims.read(strictjson.dumps(members(jti=..., client_id=...)))

    assert (least.jti, least.sid, least.scope, least.client_id, least.epoch, least.nbf) == (None,) * 6
    assert (least.roles, least.amr, dict(least.extra)) == ((), (), {})


@pytest.mark.parametrize(
    ("aud", "read"),
    [("gym", ("gym",)), (["gym"], ("gym",)), (["a", "b"], ("a", "b")), (["gym", "gym"], ("gym", "gym"))],
)
def test_aud_is_a_string_or_a_list_and_always_read_as_a_tuple(aud: Any, read: tuple[str, ...]) -> None:
    assert claims.read(strictjson.dumps(members(aud=aud))).aud == read
    assert claims.read(spelt(members(aud=aud))).aud == read


# --- claims without a field


def test_other_claims_are_kept_in_extra_and_cannot_be_changed() -> None:
    said = claims.read(
        strictjson.dumps(members(email="a@example.com", address={"city": ["Ulm"]}, extra={"x": 1}, n=None))
    )

    assert said.extra == {"email": "a@example.com", "address": {"city": ("Ulm",)}, "extra": {"x": 1}, "n": None}
    with pytest.raises(TypeError):
        said.extra["email"] = "b@example.com"  # type: ignore[index] # that is the point
    with pytest.raises(TypeError):
        said.extra["address"]["city"] = ()
    with pytest.raises(AttributeError):
        said.extra = {}  # type: ignore[misc] # that is the point


@pytest.mark.parametrize("extra", [{}, {"a": 1}, {"iss": "x"}, 5, None, "text", []])
def test_a_claim_called_extra_is_like_any_other(extra: Any) -> None:
    assert claims.read(strictjson.dumps(members(extra=extra))).extra == {"extra": strictjson.freeze(extra)}
    assert claims.read(spelt(members(extra=extra))).extra == {"extra": strictjson.freeze(extra)}


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"name": "Ada"},
        {"deep": {"er": ({"est": (1, 2.5, None, True)},)}},
        {"extra": "x"},
        {"name": "Zoë 😀", "": ""},
        MappingProxyType({"csrf": "token"}),
    ],
)
def test_extra_claims_are_written_and_read_back(extra: Any) -> None:
    said = msgspec.structs.replace(CLAIMS, extra=extra)

    assert claims.read(claims.write(said)) == msgspec.structs.replace(CLAIMS, extra=strictjson.freeze(extra))


# --- kinds


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat"])
def test_a_required_claim_that_is_missing_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        claims.read(strictjson.dumps(members(**{name: ...})))


TEXTS = ["", 5, 1.5, True, None, ["x"], {}, []]
NUMBERS = [1.0, float(NOW), f"{NOW}", True, False, None, [NOW], {}, 10**15, -(10**15), 10**18, 10**30, 0.5, 1e300]
NAMES = ["x", 5, None, {}, [""], [5], [None], [["x"]], ["x", ""], ["x" * 257], ["x"] * 257, {"x": 1}, True]


@pytest.mark.parametrize("name", ["iss", "sub", "jti", "client_id", "sid"])
@pytest.mark.parametrize("value", TEXTS)
def test_texts_are_strings_that_are_not_empty(name: str, value: Any) -> None:
    for data in (strictjson.dumps(members(**{name: value})), spelt(members(**{name: value}))):
        with pytest.raises(Malformed):
            claims.read(data)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "epoch", "auth_time"])
@pytest.mark.parametrize("value", NUMBERS)
def test_times_are_integers_of_at_most_15_digits(name: str, value: Any) -> None:
    for data in (strictjson.dumps(members(**{name: value})), spelt(members(**{name: value}))):
        with pytest.raises(Malformed):
            claims.read(data)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "epoch", "auth_time"])
@pytest.mark.parametrize(
    "literal", [b"1e3", b"1E3", b"1900000900.0", b"-0.0", b"01", b"+1", b"0x1", b"1_0", b"NaN", b"Infinity"]
)
def test_a_time_spelt_as_anything_but_an_integer_is_refused(name: str, literal: bytes) -> None:
    data = strictjson.dumps(members(**{name: 7_777_777})).replace(b"7777777", literal)

    with pytest.raises(Malformed):
        claims.read(data)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "epoch", "auth_time"])
@pytest.mark.parametrize("value", [0, -1, 10**15 - 1, 1 - 10**15])
def test_integers_up_to_the_bound_are_read(name: str, value: int) -> None:
    assert getattr(claims.read(strictjson.dumps(members(**{name: value}))), name) == value


@pytest.mark.parametrize("name", ["roles", "amr"])
@pytest.mark.parametrize("value", NAMES)
def test_names_are_lists_of_bounded_strings(name: str, value: Any) -> None:
    for data in (strictjson.dumps(members(**{name: value})), spelt(members(**{name: value}))):
        with pytest.raises(Malformed):
            claims.read(data)


@pytest.mark.parametrize(
    "value", [[], "", 5, None, {}, [""], [5], ["gym", 5], ["gym", ""], [["gym"]], {"gym": 1}, True]
)
def test_an_audience_is_one_or_more_strings(value: Any) -> None:
    for data in (strictjson.dumps(members(aud=value)), spelt(members(aud=value))):
        with pytest.raises(Malformed):
            claims.read(data)


@pytest.mark.parametrize("value", [5, None, ["a"], {}, True, "é", "a\tb", "a\nb", "a\x00b", "a\x7fb", "a\u2028b"])
def test_a_scope_is_printable_ascii(value: Any) -> None:
    with pytest.raises(Malformed):
        claims.read(strictjson.dumps(members(scope=value)))


@pytest.mark.parametrize("value", ["", "a", "a b", "members:* payments:read"])
def test_scopes_are_kept_as_they_are(value: str) -> None:
    assert claims.read(strictjson.dumps(members(scope=value))).scope == value


@pytest.mark.parametrize("sub", ["a\x00", "\x1f", "a\nb", "\x7f", "\x80", "a\x9f", "\r"])
def test_control_characters_in_sub_are_refused(sub: str) -> None:
    with pytest.raises(Malformed):
        claims.read(strictjson.dumps(members(sub=sub)))


@pytest.mark.parametrize("name", ["sub", "scope"])
@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_control_characters_are_refused_raw_and_escaped(name: str, code: int) -> None:
    good = claims.write(msgspec.structs.replace(CLAIMS, **{name: "a@b"}))

    for spelling in (chr(code), f"\\u{code:04x}", f"\\u{code:04X}"):
        with pytest.raises(Malformed):
            claims.read(good.replace(b"a@b", b"a" + spelling.encode() + b"b"))


@pytest.mark.parametrize("sub", ["a", " ", "Zoë", "名前", "a\u00a0b", "a\u200db", "😀", "a b", '"', "\\", "x" * 2000])
def test_other_characters_in_sub_are_not(sub: str) -> None:
    assert claims.read(strictjson.dumps(members(sub=sub))).sub == sub


# --- strictness


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"true",
        b'"x"',
        b"{}",
        b"{" * 8000,
        b"[" * 8000,
        b'{"extra":' + b"[" * 4000 + b"]" * 4000 + b"}",
        b'{"extra":{"a":' + b"[" * 4000 + b"]" * 4000 + b"}}",
        b'{"aud":' + b"[" * 4000,
        b"\xff",
        b"\xef\xbb\xbf" + strictjson.dumps(MEMBERS),
        strictjson.dumps(MEMBERS) + b"\x00",
        strictjson.dumps(MEMBERS) + strictjson.dumps(MEMBERS),
        strictjson.dumps(MEMBERS)[:-1] + b',"sub":"admin"}',
        strictjson.dumps(MEMBERS)[:-1] + b',"\\u0073ub":"admin"}',
        strictjson.dumps(MEMBERS)[:-1] + b',"exp":1900000900}',
        strictjson.dumps(MEMBERS)[:-1] + b',"x":1,"x":1}',
        strictjson.dumps(MEMBERS)[:-1] + b',"x":{"y":1,"y":1}}',
        strictjson.dumps(MEMBERS)[:-1] + b',"x":1234567890123456}',
        strictjson.dumps(MEMBERS)[:-1] + b',"x":NaN}',
        strictjson.dumps(MEMBERS)[:-1] + b',"x":' + b"[" * 16 + b"]" * 16 + b"}",
        strictjson.dumps(MEMBERS)[:-1] + b',"x":"\\ud800"}',
        strictjson.dumps(MEMBERS)[:-1] + b",}",
        b'{"sub":"admin",' + strictjson.dumps(MEMBERS)[1:],
        claims.write(CLAIMS)[:-1] + b',"roles":["admin"]}',
        claims.write(CLAIMS)[:-1] + b',"roles":["manager"]}',
        claims.write(CLAIMS).replace(b'"roles":["manager"]', b'"roles":["manager"],"roles":["manager"]'),
    ],
)
def test_payloads_that_are_no_strict_object_or_repeat_a_name_are_refused(payload: bytes) -> None:
    with pytest.raises(Malformed):
        claims.read(payload)


def test_depth_16_in_a_claim_is_read() -> None:
    payload = strictjson.dumps(MEMBERS)[:-1] + b',"x":' + b"[" * 15 + b"]" * 15 + b"}"

    assert claims.read(payload).extra


# --- writing


@pytest.mark.parametrize(
    "change",
    [
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": 5},
        {"iss": ""},
        {"aud": ()},
        {"aud": ("",)},
        {"exp": 1.5},
        {"exp": True},
        {"iat": 10**15},
        {"scope": "é"},
        {"roles": ("",)},
        {"roles": "admin"},
        {"sid": ""},
        {"extra": {"iss": "another"}},
        {"extra": {"exp": 1}},
        {"extra": {"x": float("nan")}},
        {"extra": {"x": 10**16}},
        {"extra": {"x": object()}},
        {"extra": {"x": "\ud800"}},
        {"extra": {"x": [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}},
        {"extra": {5: 5, "5": 5}},
    ],
)
def test_claims_that_would_be_refused_are_not_written(change: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        claims.write(msgspec.structs.replace(CLAIMS, **change))


def test_claims_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        CLAIMS.sub = "admin"  # type: ignore[misc] # that is the point


# --- what is expected


@pytest.mark.parametrize("leeway", [0, 10, 60])
def test_a_leeway_of_up_to_a_minute_is_fine(leeway: int) -> None:
    assert Expect(ISSUER, AUDIENCE, leeway=leeway).leeway == leeway


@pytest.mark.parametrize(
    "change",
    [
        {"leeway": -1},
        {"leeway": 61},
        {"leeway": 3600},
        {"max_lifetime": 0},
        {"max_lifetime": -1},
        {"issuer": ""},
        {"audience": ""},
        {"typ": "AT+JWT"},
        {"typ": "application/at+jwt"},
    ],
)
def test_expectations_that_can_never_be_right_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        Expect(**({"issuer": ISSUER, "audience": AUDIENCE} | change))
    with pytest.raises(ValueError):  # noqa: PT011 - that it is one is the claim
        Expect(**({"issuer": ISSUER, "audience": AUDIENCE} | change))
