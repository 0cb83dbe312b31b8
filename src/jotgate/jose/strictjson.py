"""Strict JSON objects: UTF-8, no name twice, bounded in size, depth and numbers (RFC 8259, RFC 7493).

Refused beyond what RFC 8259 refuses: a BOM, lone surrogates, repeated names (also when spelt with escapes), depth over
16, integers of more than 15 digits, numbers that overflow, and everything whose outermost value is no object.

The fast way decodes, encodes again and compares: equal bytes are canonical, so no name was repeated. So is what differs
by white space alone, as far as counting tells. Everything else goes the exact way.
"""

import json
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from jotgate.errors import Malformed

MAX_BYTES = 65_536
MAX_DEPTH = 16
MAX_DIGITS = 15

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
# Possessive, and the closing quote may be missing: one pass, whatever comes in.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_FLAT = frozenset({str, int, bool, type(None)})
_BRACKET = re.compile(r"[\[\]{}]")
_long_number = re.compile(rb"[0-9]{16}").search


def loads(data: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The object in `data`; raises `Malformed`."""
    if len(data) > max_bytes:
        raise Malformed(f"JSON of more than {max_bytes} bytes")
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH and not _long_number(data):
        try:
            value = _decode(data)
        except ValueError:
            raise Malformed("not JSON") from None
        if type(value) is dict and (_encode(value) == data or _spaced(value, data)):
            return value
    return exact(data)


def _spaced(value: dict[str, Any], data: bytes) -> bool:
    """Whether no name was repeated: nothing is nested or escaped, and no quote stands there but those of `value`."""
    kinds = [type(member) for member in value.values()]
    if b"\\" in data or not _FLAT.issuperset(kinds):
        return False
    return data.count(b'"') == 2 * (len(kinds) + kinds.count(str))


def dumps(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return _encode(value)


def freeze(value: Any) -> Any:
    """JSON that cannot be changed: objects become read-only mappings, arrays tuples."""
    if type(value) is dict or isinstance(value, Mapping):
        # Most members are texts, and whoever floods a guard with headers should cost little.
        return MappingProxyType(
            {name: member if type(member) is str else freeze(member) for name, member in value.items()}
        )
    if isinstance(value, list | tuple):
        return tuple(freeze(member) for member in value)
    return value


def thaw(value: Any) -> Any:
    """The reverse, for `dumps`; raises ValueError for NaN and infinities, which are no JSON."""
    if isinstance(value, Mapping):
        return {name: thaw(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and infinities are no JSON")
    return value


def exact(data: bytes) -> dict[str, Any]:
    """As `loads`, one pair at a time: for what is not spelt canonically."""
    try:
        text = data.decode("utf-8")
        if _depth(text) > MAX_DEPTH:
            raise Malformed(f"JSON deeper than {MAX_DEPTH}")
        value = _EXACT.decode(text)
        _encode(value)  # a lone surrogate has no UTF-8
    except ValueError:
        raise Malformed("not strict JSON") from None
    if type(value) is not dict:
        raise Malformed("not a JSON object")
    return value


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a name stands twice")
    return found


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise Malformed(f"an integer of more than {MAX_DIGITS} digits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("a number out of range")
    return number


def _constant(name: str) -> None:
    raise Malformed(f"{name} is not JSON")


_EXACT = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)
