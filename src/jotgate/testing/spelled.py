"""Hostile tokens, misspelt: under a good signature where there can be one, but not in the one strict spelling.

group             what is wrong
--------------    -----------------------------------------------------------------------
forms             no three segments of base64url (RFC 7515 section 3.1)
spellings         base64url that is not canonical (RFC 4648 section 3.5)
headers           header JSON that is not strict (RFC 7493)
header_members    a header that asks for what is not understood (RFC 7515 section 4.1.11)
payloads          payload JSON that is not strict, or not JSON
"""

import json
import zlib
from typing import Any

from jotgate.jose import b64, strictjson
from jotgate.testing.model import Model, Named, sealed, segment

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
REFRESH_TOKEN = "jgr_" + b64.encode(bytes(range(57)))


def forms(of: Model) -> Named:
    """A good token in another form, and what is no token at all."""
    good = of.good
    head, payload, signature = good.split(".")
    yield "refresh_as_access", REFRESH_TOKEN
    yield "huge", sealed(of.key, segment(of.header()), segment(of.said(x="y" * 8192)))
    yield "huge_header", sealed(of.key, segment(of.header(x="y" * 1024)), segment(of.said()))
    yield "huge_without_dots", "A" * 8192
    yield "huge_of_dots", "." * 8192
    yield "upper_case", good.upper()
    yield "reversed", good[::-1]
    yield "twice", good + good
    yield "encoded_as_a_whole", b64.encode(good.encode())
    yield "dots_percent_encoded", good.replace(".", "%2e")
    yield "in_quotes", f'"{good}"'
    yield "in_angle_brackets", f"<{good}>"
    yield "scheme_twice", f"Bearer {good}"
    yield "encrypted", f"{head}..{payload}.{signature}.{signature}"
    yield "four_segments", f"{good}.{signature}"
    yield "json_serialization", json.dumps({"protected": head, "payload": payload, "signature": signature})
    for name, text in (
        ("dot", "."),
        ("dots", ".."),
        ("dots_three", "..."),
        ("null", "null"),
        ("undefined", "undefined"),
        ("object", "{}"),
        ("letters", "a.b.c"),
        ("empty_objects", "e30.e30."),
        ("empty_objects_signed", "e30.e30.e30"),
        ("star", "*"),
        ("percent_zero", "%00"),
        ("template", "${token}"),
        ("api_key", "sk_live_0000000000000000"),
        ("uuid", "00000000-0000-0000-0000-000000000000"),
    ):
        yield f"text_{name}", text


def spellings(of: Model) -> Named:
    """Two texts for one token are one too many: whoever remembers or revokes texts is deceived."""
    head, payload, key = segment(of.header()), segment(of.said()), of.key
    for size in range(3):
        text = segment(of.said(x="y" * size))
        yield f"padding_{size}", sealed(key, head, text + b"=" * (-len(text) % 4 or 4))
        if len(text) % 4:
            spare = _ALPHABET[_ALPHABET.index(chr(text[-1])) + 1].encode()
            yield f"spare_bits_{size}", sealed(key, head, text[:-1] + spare)
        yield f"a_character_more_{size}", sealed(key, head, text + b"A" * (5 - len(text) % 4))
    for name, junk in (("equals", b"="), ("question", b"?"), ("star", b"*"), ("percent", b"%41"), ("quote", b'"')):
        yield f"{name}_in_the_header", sealed(key, head[:8] + junk + head[8:], payload)
        yield f"{name}_in_the_payload", sealed(key, head, payload[:8] + junk + payload[8:])
        yield f"{name}_behind_the_payload", sealed(key, head, payload + junk)
    tricky = segment(of.said(x="??>>~~\u00ff\u00fe\u00bf"))
    yield "standard_alphabet_slash", sealed(key, head, _standard(tricky, b"_", b"/"))
    yield "standard_alphabet_plus", sealed(key, head, _standard(tricky, b"-", b"+"))
    data, _, signature = of.good.rpartition(".")
    yield "signature_padded", f"{data}.{signature}" + "=" * (-len(signature) % 4 or 4)
    yield "signature_with_junk", f"{data}.{signature[:8]}!{signature[8:]}"
    if len(signature) % 4:
        yield "signature_spare_bits", f"{data}.{signature[:-1]}{_ALPHABET[_ALPHABET.index(signature[-1]) + 1]}"


def _standard(text: bytes, ours: bytes, theirs: bytes) -> bytes:
    return text.replace(ours, theirs) if ours in text else text + theirs


def headers(of: Model) -> Named:
    """Two readers of one header must not read two headers."""
    good = strictjson.dumps(of.header())
    for name, body in (
        ("duplicate_alg", good[:-1] + b',"alg":"none"}'),
        ("duplicate_alg_same", good[:-1] + f',"alg":"{of.key.alg}"}}'.encode()),
        ("duplicate_alg_escaped", good[:-1] + b',"\\u0061lg":"none"}'),
        ("duplicate_kid", b'{"kid":"stranger",' + good[1:]),
        ("duplicate_typ", b'{"typ":"JWT",' + good[1:]),
        ("duplicate_name", good[:-1] + b',"x":1,"x":1}'),
        ("duplicate_name_inside", good[:-1] + b',"x":{"y":1,"y":2}}'),
        ("header_trailing_comma", good[:-1] + b",}"),
        ("header_comment", good[:-1] + b"/**/}"),
        ("header_and_more", good + b"x"),
        ("header_twice", good + good),
        ("header_bom", b"\xef\xbb\xbf" + good),
        ("header_utf16", good.decode().encode("utf-16")),
        ("header_no_utf8", good[:-1] + b',"x":"\xff"}'),
        ("header_lone_surrogate", good[:-1] + b',"x":"\\ud800"}'),
        ("header_nan", good[:-1] + b',"x":NaN}'),
        ("header_deep", good[:-1] + b',"x":' + b"[" * 17 + b"]" * 17 + b"}"),
        ("header_single_quotes", good.replace(b'"', b"'")),
        ("header_array", b"[" + good + b"]"),
        ("header_text", json.dumps(good.decode()).encode()),
        ("header_null", b"null"),
        ("header_empty", b""),
        ("header_empty_object", b"{}"),
        ("header_names_in_capitals", good.replace(b'"alg"', b'"ALG"')),
    ):
        yield name, of.signed(body)


def header_members(of: Model) -> Named:
    """What is critical and not understood is refused, not skipped."""
    more: tuple[tuple[str, dict[str, Any]], ...] = (
        ("crit", {"crit": ["exp"]}),
        ("crit_empty", {"crit": []}),
        ("crit_null", {"crit": None}),
        ("crit_text", {"crit": "b64"}),
        ("crit_b64", {"crit": ["b64"], "b64": False}),
        ("crit_unknown", {"crit": ["http://example.com/x"], "http://example.com/x": True}),
        ("crit_alg", {"crit": ["alg"]}),
        ("b64_false", {"b64": False}),
        ("b64_true", {"b64": True}),
        ("zip", {"zip": "DEF"}),
        ("jwk_of_wrong_kind", {"jwk": "x"}),
        ("jku_of_wrong_kind", {"jku": 1}),
        ("x5c_of_wrong_kind", {"x5c": "x"}),
    )
    for name, each in more:
        yield name, of.signed(of.header(**each))
    deflated = zlib.compress(strictjson.dumps(of.said()))[2:-4]
    yield "zip_deflated", of.signed(of.header(zip="DEF"), deflated)


def payloads(of: Model) -> Named:
    """Two readers of one payload must not see two users."""
    good = strictjson.dumps(of.said())
    for name, body in (
        ("duplicate_sub", good[:-1] + b',"sub":"admin"}'),
        ("duplicate_sub_escaped", good[:-1] + b',"\\u0073ub":"admin"}'),
        ("duplicate_sub_first", b'{"sub":"admin",' + good[1:]),
        ("duplicate_exp", good[:-1] + b',"exp":%d}' % (of.now + 900)),
        ("duplicate_roles", good[:-1] + b',"roles":["a"],"roles":["admin"]}'),
        ("duplicate_unknown", good[:-1] + b',"x":1,"x":2}'),
        ("duplicate_deep", good[:-1] + b',"x":[{"y":1,"y":2}]}'),
        ("payload_nan", good[:-1] + b',"x":NaN}'),
        ("payload_infinity", good[:-1] + b',"x":-Infinity}'),
        ("payload_overflow", good[:-1] + b',"x":1e999}'),
        ("payload_long_integer", good[:-1] + b',"x":' + b"9" * 4000 + b"}"),
        ("payload_deep", good[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}"),
        ("payload_deep_objects", good[:-1] + b',"x":' + b'{"a":' * 600 + b"1" + b"}" * 600 + b"}"),
        ("payload_trailing_comma", good[:-1] + b",}"),
        ("payload_and_more", good + b"{}"),
        ("payload_bom", b"\xef\xbb\xbf" + good),
        ("payload_utf16", good.decode().encode("utf-16")),
        ("payload_no_utf8", good[:-1] + b',"x":"\xc0\xaf"}'),
        ("payload_lone_surrogate", good[:-1] + b',"x":"\\udc00"}'),
        ("payload_array", b"[" + good + b"]"),
        ("payload_text", json.dumps(good.decode()).encode()),
        ("payload_null", b"null"),
        ("payload_empty", b""),
        ("payload_no_json", b"sub=admin&exp=99999999999"),
        ("payload_empty_object", b"{}"),
        ("payload_python", str(of.said()).encode()),
    ):
        yield name, of.signed(None, body)
