"""Hostile tokens under a good signature: the issuer itself wrote what nobody should believe, or spelt it wrongly."""

import json
import zlib
from base64 import urlsafe_b64encode
from typing import Any

from jotgate.jose import Key, b64, strictjson
from tests.jose.keys import AUDIENCE, ISSUER, MEMBERS, NOW, Named, claims, header, sealed, segment, signed

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def forms(by: Key) -> Named:
    """Not header.payload.signature in ASCII."""
    good = signed(by)
    head, payload, signature = good.split(".")
    for space in (
        " ",
        "\n",
        "\r\n",
        "\t",
        "\0",
        "\x0b",
        "\u00a0",
        "\u200b",
        "\ufeff",
        '"',
        "'",
        "=",
        "==",
        "%20",
        "+",
        ",",
    ):
        yield f"{space!r} before", space + good
        yield f"{space!r} after", good + space
        yield f"{space!r} in the middle", f"{head}.{payload[:20]}{space}{payload[20:]}.{signature}"
        yield f"{space!r} before the signature", f"{head}.{payload}.{space}{signature}"


def serializations(by: Key) -> Named:
    """A good token in another form, and what is no token at all."""
    good = signed(by)
    head, payload, signature = good.split(".")
    yield "upper case", good.upper()
    yield "full stops of another script", good.replace(".", "\u3002")
    yield "dots as escapes", good.replace(".", "%2e")
    yield "Bearer", f"Bearer {good}"
    yield "five segments, as if encrypted", f"{head}..{payload}.{signature}.{signature}"
    yield "nested", signed(by, header(by, cty="JWT"), good.encode())
    yield "flattened JSON", json.dumps({"protected": head, "payload": payload, "signature": signature})
    yield "general JSON", json.dumps({"payload": payload, "signatures": [{"protected": head, "signature": signature}]})
    yield "as JSON text", json.dumps(good)
    yield "as bytes of UTF-16", good.encode("utf-16")
    yield "as bytes with a BOM", b"\xef\xbb\xbf" + good.encode()
    yield "encoded as a whole", b64.encode(good.encode())
    yield "reversed", good[::-1]
    yield "twice", good + good
    yield "over 8 KiB", signed_long(by)
    for text in (
        "",
        ".",
        "..",
        "...",
        "null",
        "a.b.c",
        "e30.e30.",
        "e30.e30.e30",
        "undefined",
        "{}",
        "jgr_" + "A" * 76,
    ):
        yield f"the text {text!r}", text


def signed_long(by: Key) -> str:
    return sealed(by, segment(header(by)), segment(claims(x="y" * 8192)))


def spellings(by: Key) -> Named:
    """Base64 that is not canonical, under a signature of just that text."""
    head, payload = segment(header(by)), segment(claims())
    padded = urlsafe_b64encode(strictjson.dumps(header(by, x="1")))
    if padded.endswith(b"="):
        yield "padded header", sealed(by, padded, payload)
    for size in range(3):
        said = claims(x="y" * size)
        text = segment(said)
        yield f"padding after payload of {len(text)}", sealed(by, head, text + b"=" * (-len(text) % 4 or 4))
        if len(text) % 4:
            spare = ALPHABET[ALPHABET.index(chr(text[-1])) + 1].encode()
            yield f"spare bits in payload of {len(text)}", sealed(by, head, text[:-1] + spare)
        yield f"a character more than {len(text)}", sealed(by, head, text + b"A" * (4 - len(text) % 4 + 1))
    for junk in (b"\n", b" ", b"=", b"?", b"*", b"\\u0041", b"%41", b"\xff", b'"', b"\0"):
        yield f"{junk!r} in the header", sealed(by, head[:8] + junk + head[8:], payload)
        yield f"{junk!r} in the payload", sealed(by, head, payload[:8] + junk + payload[8:])
        yield f"{junk!r} after the payload", sealed(by, head, payload + junk)
    tricky = segment(claims(x="\u00ff\u00fe\u00bf\u00bf??>>~~"))
    for old, new in ((b"_", b"/"), (b"-", b"+")):
        yield (
            f"{new!r} instead of {old!r}",
            sealed(by, head, tricky.replace(old, new) if old in tricky else tricky + new),
        )


def headers(by: Key) -> Named:
    """Header JSON that is not strict, or asks for what is not understood."""
    good = strictjson.dumps(header(by))
    bodies = {
        "alg twice": good[:-1] + b',"alg":"none"}',
        "alg twice, the same": good[:-1] + f',"alg":"{by.alg}"}}'.encode(),
        "alg twice, escaped": good[:-1] + b',"\\u0061lg":"none"}',
        "kid twice": b'{"kid":"stranger",' + good[1:],
        "typ twice": b'{"typ":"JWT",' + good[1:],
        "a name twice": good[:-1] + b',"x":1,"x":1}',
        "a name twice inside": good[:-1] + b',"x":{"y":1,"y":2}}',
        "a trailing comma": good[:-1] + b",}",
        "a comment": good[:-1] + b"/**/}",
        "something after": good + b"x",
        "a NUL after": good + b"\0",
        "two objects": good + good,
        "a BOM": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "UTF-32": good.decode().encode("utf-32"),
        "bytes that are no UTF-8": good[:-1] + b',"x":"\xff"}',
        "a lone surrogate": good[:-1] + b',"x":"\\ud800"}',
        "a raw newline in a string": good[:-1] + b',"x":"\n"}',
        "NaN": good[:-1] + b',"x":NaN}',
        "a number too long": good[:-1] + b',"x":1234567890123456}',
        "depth 17": good[:-1] + b',"x":' + b"[" * 16 + b"]" * 16 + b"}",
        "depth 300": good[:-1] + b',"x":' + b"[" * 300 + b"]" * 300 + b"}",
        "more than 1 KiB": good[:-1] + b',"x":"' + b"y" * 1024 + b'"}',
        "single quotes": good.replace(b'"', b"'"),
        "an array": b"[" + good + b"]",
        "a string": json.dumps(good.decode()).encode(),
        "null": b"null",
        "nothing": b"",
        "an empty object": b"{}",
        "names in capitals": good.replace(b'"alg"', b'"ALG"'),
        "no alg": strictjson.dumps(header(by, alg=...)),
    }
    for name, body in bodies.items():
        yield name, signed(by, body)


def header_members(by: Key) -> Named:
    """Header members that are not understood, or of the wrong kind."""
    more: list[dict[str, Any]] = [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": None},
        {"crit": "b64"},
        {"crit": ["b64"], "b64": False},
    ]
    more += [
        {"crit": ["http://example.com/x"], "http://example.com/x": True},
        {"crit": ["alg"]},
        {"b64": False},
        {"b64": True},
    ]
    more += [
        {"zip": "DEF"},
        {"alg": [by.alg]},
        {"alg": {"name": by.alg}},
        {"alg": by.alg.lower() + "x"},
        {"alg": by.alg + " "},
    ]
    for each in more:
        yield f"{each}", signed(by, header(by, **each))
    data = segment(header(by, b64=False, crit=["b64"])) + b"." + strictjson.dumps(MEMBERS)
    yield "a payload that is not encoded", data.decode() + "." + b64.encode(by.sign(data))


def payloads(by: Key) -> Named:
    """Payload JSON that is not strict."""
    good = strictjson.dumps(MEMBERS)
    bodies = {
        "sub twice": good[:-1] + b',"sub":"admin"}',
        "sub twice, escaped": good[:-1] + b',"\\u0073ub":"admin"}',
        "sub twice, first": b'{"sub":"admin",' + good[1:],
        "exp twice": good[:-1] + b',"exp":1900000900}',
        "aud twice": good[:-1] + b',"aud":"gym"}',
        "an unknown name twice": good[:-1] + b',"x":1,"x":2}',
        "a name twice, deep": good[:-1] + b',"x":[{"y":1,"y":2}]}',
        "roles twice": good[:-1] + b',"roles":["a"],"roles":["admin"]}',
        "NaN": good[:-1] + b',"x":NaN}',
        "Infinity": good[:-1] + b',"x":-Infinity}',
        "a number that overflows": good[:-1] + b',"x":1e999}',
        "an integer of 16 digits": good[:-1] + b',"x":1234567890123456}',
        "an integer of 4,000 digits": good[:-1] + b',"x":' + b"9" * 4000 + b"}",
        "depth 17": good[:-1] + b',"x":' + b"[" * 16 + b"]" * 16 + b"}",
        "depth 2,000": good[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        "depth 1,000, objects": good[:-1] + b',"x":' + b'{"a":' * 800 + b"1" + b"}" * 800 + b"}",
        "a trailing comma": good[:-1] + b",}",
        "something after": good + b"{}",
        "a newline and more": good + b"\n" + good,
        "a BOM": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "bytes that are no UTF-8": good[:-1] + b',"x":"\xc0\xaf"}',
        "a lone surrogate": good[:-1] + b',"x":"\\udfff"}',
        "a control character": good[:-1] + b',"x":"\x01"}',
        "an escape that is none": good[:-1] + b',"x":"\\x41"}',
        "an array": b"[" + good + b"]",
        "text": b"hello",
        "a number": b"1900000900",
        "null": b"null",
        "nothing": b"",
        "half of it": good[: len(good) // 2],
        "single quotes": good.replace(b'"', b"'"),
        "compressed": zlib.compress(good),
    }
    for name, body in bodies.items():
        yield name, signed(by, None, body)


def times(by: Key) -> Named:
    """Times that are no integers, are not there, have come, or lie too far ahead."""
    wrong: list[Any] = [
        1.5,
        float(NOW + 900),
        str(NOW + 900),
        True,
        False,
        None,
        [],
        [NOW + 900],
        {},
        "",
        "never",
        10**15,
        10**18,
    ]
    for name in ("exp", "iat", "nbf", "auth_time", "epoch"):
        for value in wrong:
            yield f"{name} is {value!r}", signed(by, None, claims(**{name: value}))
        for literal in (b"1.9e9", b"1900000900.0", b"19000009E2", b"-0.0", b"01900000900", b"0x713fb300", b"1e400"):
            body = strictjson.dumps(claims(**{name: 7_777_777})).replace(b"7777777", literal)
            yield f"{name} is spelt {literal!r}", signed(by, None, body)
    for name in ("exp", "iat"):
        yield f"no {name}", signed(by, None, claims(**{name: ...}))
    for exp in (0, -1, 1, NOW - 900, NOW - 11, NOW - 10, -NOW, 1 - 10**15):
        yield f"exp {exp - NOW} s from now", signed(by, None, claims(exp=exp, iat=NOW - 900))
    for exp in (NOW + 86_401, NOW + 10**7, 2**31, 2**32, 2**48, 10**15 - 1, (NOW + 900) * 1000):
        yield f"exp {exp - NOW} s from now", signed(by, None, claims(exp=exp))
    for at in (NOW + 11, NOW + 3600, 2**48, 10**15 - 1):
        yield f"nbf {at - NOW} s from now", signed(by, None, claims(nbf=at))
        yield f"iat {at - NOW} s from now", signed(by, None, claims(iat=at, exp=at + 900))
    yield "issued long ago, for long", signed(by, None, claims(iat=0))
    yield "issued before time", signed(by, None, claims(iat=-NOW))


def issuers(by: Key) -> Named:
    """Another issuer, or none; and what is required."""
    wrong: list[Any] = [
        "",
        None,
        5,
        [ISSUER],
        {},
        True,
        ISSUER + "/",
        ISSUER.upper(),
        " " + ISSUER,
        ISSUER + ".evil.example",
        "null",
    ]
    for iss in wrong:
        yield f"iss is {iss!r}", signed(by, None, claims(iss=iss))


def audiences(by: Key) -> Named:
    """Another audience, or none."""
    nobody: list[Any] = [
        "",
        None,
        5,
        [],
        {},
        True,
        "GYM",
        "gym ",
        "gym,pool",
        "gym pool",
        ["pool"],
        ["pool", "gym "],
        [["gym"]],
    ]
    nobody += [
        ["gym", 5],
        ["gym", None],
        ["gym", ""],
        {"gym": True},
        "g",
        "gymnasium",
        "*",
        ISSUER,
        ["*"],
        [AUDIENCE + "\0"],
    ]
    for aud in nobody:
        yield f"aud is {aud!r}", signed(by, None, claims(aud=aud))


def subjects(by: Key) -> Named:
    """No subject, or one that no log should hold."""
    wrong: list[Any] = ["", None, 5, [], ["admin"], {}, True, 1.5, "a\0", "admin\n", "\r", "\x1b[0m", "\x7f", "\x9f"]
    for sub in wrong:
        yield f"sub is {sub!r}", signed(by, None, claims(sub=sub))
    for name in ("iss", "aud", "sub"):
        yield f"no {name}", signed(by, None, claims(**{name: ...}))


def kinds(by: Key) -> Named:
    """Claims of the wrong kind."""
    for name in ("roles", "amr"):
        for value in (
            "admin",
            5,
            True,
            None,
            {},
            [5],
            [None],
            [["admin"]],
            [""],
            ["a", ""],
            {"admin": True},
            ["x" * 257],
        ):
            yield f"{name} is {str(value)[:20]!r}", signed(by, None, claims(**{name: value}))
    for name in ("jti", "sid", "client_id"):
        for value in ("", 5, None, True, [], ["x"], {}):
            yield f"{name} is {value!r}", signed(by, None, claims(**{name: value}))
    for value in (5, None, True, ["a", "b"], {}, "a\nb", "a\tb", "é", "a\u2028b", "\0"):
        yield f"scope is {value!r}", signed(by, None, claims(scope=value))


def types(by: Key) -> Named:
    """Other kinds of token under a good signature (RFC 8725 section 3.11)."""
    for typ in (
        "JWT",
        "jwt",
        "",
        "at",
        "at+jwt ",
        "at+jwt;x=y",
        "id_token+jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "rt+jwt",
    ):
        yield f"typ {typ!r}", signed(by, header(by, typ=typ))
    for typ in (
        "application/jwt",
        "text/at+jwt",
        "application/",
        "application/application/at+jwt",
        "\u0430t+jwt",
        "token-introspection+jwt",
    ):
        yield f"typ {typ!r}", signed(by, header(by, typ=typ))
    wrong: list[Any] = [None, 5, True, [], ["at+jwt"], {}]
    for value in wrong:
        yield f"typ {value!r}", signed(by, header(by, typ=value))
    yield "no typ", signed(by, header(by, typ=...))
