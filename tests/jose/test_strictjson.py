import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.errors import Malformed
from jotgate.jose import strictjson

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15) + 1, 10**15 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


def nested(depth: int) -> bytes:
    """An object with arrays in it, `depth` deep in all."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{}", {}),
        (b'{"a":1}', {"a": 1}),
        (b' {"a" :\t1\r\n} ', {"a": 1}),
        (b'{"a": "b", "c": null, "d": true, "e": 5}', {"a": "b", "c": None, "d": True, "e": 5}),
        (b'{"a": {"b": 1}, "c": [2], "d": 1.5}', {"a": {"b": 1}, "c": [2], "d": 1.5}),
        (b'{"a": "\\"b"}', {"a": '"b'}),
        (b'{"a":-0}', {"a": 0}),
        (b'{"a":1.0,"b":1e3,"c":-1E-2}', {"a": 1.0, "b": 1000.0, "c": -0.01}),
        (b'{"a":"\\u0041\\n\\/"}', {"a": "A\n/"}),
        (b'{"\\ud83d\\ude00":"\xf0\x9f\x98\x80"}', {"😀": "😀"}),
        (b'{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
        (b'{"a":999999999999999}', {"a": 10**15 - 1}),
        (b'{"a": -999999999999999}', {"a": -(10**15) + 1}),
        (b'{"a":"1234567890123456"}', {"a": "1234567890123456"}),
        (b'{"a":1.2345678901234567}', {"a": 1.2345678901234567}),
        (b'{"a":"[[[[[[[[[[[[[[[[[[[[[[[["}', {"a": "[" * 24}),
        (b'{"a":"\\"[[[[[[[[[[[[[[[[[[[[[[[["}', {"a": '"' + "[" * 24}),
        (b'{"":null,"t":true,"f":false}', {"": None, "t": True, "f": False}),
    ],
)
def test_objects_are_read(data: bytes, value: dict[str, Any]) -> None:
    assert strictjson.loads(data) == value
    assert strictjson.exact(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"[]",
        b"1",
        b'"a"',
        b"null",
        b"{",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b'{"a":1}x',
        b'{"a":1}{"b":2}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":1 /* no */}',
        b'{"a":1}//',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "a": "b"}',
        b'{"a": "b", "a": 1}',
        b'{"a": "b", "a": "c"}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a":1,"\\u0061":2}',
        b'{"\\u0061":1,"\\u0061":2}',
        b'{"a":1,"b":{"c":1,"c":2}}',
        b'{"a":[{"c":1,"\\u0063":2}]}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":nan}',
        b'{"a":1e400}',
        b'{"a": -1e400}',
        b'{"a":1234567890123456}',
        b'{"a":-1234567890123456}',
        b'{"a": 1234567890123456}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":0x10}',
        b'{"a":1_000}',
        b'{"a":True}',
        b'{"a":"\t"}',
        b'{"a":"\x00"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\u00g1"}',
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{ "a":"\\ud800"}',
        b'{ "a":"\\ud800\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\xf4\x90\x80\x80"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-16-be"),
        '{"a":1}'.encode("utf-32"),
        b'\xc2\xa0{"a":1}',
        b'{"a":1}\x00',
        b'\x0c{"a":1}',
        b'{"a":"unterminated',
        b'{"a":"unterminated\\',
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        strictjson.loads(data)
    with pytest.raises(Malformed):
        strictjson.exact(data)


def test_depth_16_is_read_and_depth_17_is_not() -> None:
    assert strictjson.loads(nested(16))
    assert strictjson.loads(nested(16) + b" ")
    assert strictjson.loads(b'{"a":[' + b",".join([b"[]"] * 40) + b"]}")

    for data in (nested(17), nested(17) + b" ", nested(30_000), b'{"a":' * 5000 + b"1" + b"}" * 5000):
        with pytest.raises(Malformed):
            strictjson.loads(data)


def test_brackets_in_strings_are_no_depth_and_strings_cannot_hide_any() -> None:
    hidden = b'{"a":"\\\\",' + nested(17)[1:]

    assert strictjson.loads(b'{"a":"\\\\","b":"' + b"[{" * 40 + b'"}')
    with pytest.raises(Malformed):
        strictjson.loads(hidden)


def test_a_byte_over_the_limit_is_too_long() -> None:
    data = b'{"a":"' + b"x" * 100 + b'"}'

    assert strictjson.loads(data, max_bytes=len(data))
    with pytest.raises(Malformed):
        strictjson.loads(data, max_bytes=len(data) - 1)
    with pytest.raises(Malformed):
        strictjson.loads(b'{"a":"' + b"x" * strictjson.MAX_BYTES + b'"}')


@pytest.mark.parametrize("data", [b'{"a":"' + b'\\"' * 32_000, b'{"a":' + b'"' * 65_000, b'{"a":' + b'"\\' * 32_000])
def test_quotes_without_end_take_no_time(data: bytes) -> None:
    # a pattern that tries every quote anew would need minutes
    with pytest.raises(Malformed):
        strictjson.exact(data)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(OBJECTS)
def test_what_is_dumped_is_read_the_fast_and_the_exact_way(value: dict[str, Any]) -> None:
    data = strictjson.dumps(value)
    spelt = json.dumps(value, indent=1).encode()

    assert strictjson.loads(data) == strictjson.exact(data) == value
    assert strictjson.loads(spelt) == strictjson.exact(spelt) == value


@settings(max_examples=3000, derandomize=True, deadline=None)
@given(
    st.binary(max_size=60) | st.text('{}[]":,0123456789.eE+-truefalsn\\ \t\n\x00\ud7ff', max_size=60).map(str.encode)
)
def test_random_bytes_raise_nothing_but_malformed_and_both_ways_agree(data: bytes) -> None:
    def outcome(read: Any) -> Any:
        try:
            return read(data)
        except Malformed:
            return Malformed

    assert outcome(strictjson.loads) == outcome(strictjson.exact)


def test_frozen_json_cannot_be_changed_and_thaws_again() -> None:
    value = {"a": [1, {"b": ["c"]}], "d": None, "e": 1.5}

    frozen = strictjson.freeze(value)

    assert frozen["a"][1]["b"] == ("c",)
    with pytest.raises(TypeError):
        frozen["a"] = 1
    with pytest.raises(TypeError):
        frozen["a"][1]["b"] = 1
    assert strictjson.thaw(frozen) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_json_number_does_not_thaw(number: float) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        strictjson.thaw({"a": (number,)})
