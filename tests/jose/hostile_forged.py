"""Hostile tokens, forged and confused: what somebody can make who has no key but knows all that is public."""

import hmac
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jotgate.jose import Key, b64, jwk, jwt, strictjson
from jotgate.jose.algs import to_der
from tests.jose.keys import CLAIMS, ISSUER, Named, claims, header, key, segment, signed

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ORDERS = {"ES256": (32, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551)}


def stranger(by: Key) -> Key:
    """The attacker's own key: the same algorithm, and any name."""
    return key(by.alg, "stranger")


def nones(by: Key) -> Named:
    """CVE-2015-9235 and after: a signature that need not be there."""
    good = signed(by)
    wrong: list[Any] = ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", "None\0", "\u0430lg", "non\u00e9"]
    for alg in (*wrong, None, False, 0, []):
        head, payload = segment(header(by, alg=alg)).decode(), segment(claims()).decode()
        yield f"alg {alg!r}, no signature", f"{head}.{payload}."
        yield f"alg {alg!r}, no third segment", f"{head}.{payload}"
        yield f"alg {alg!r}, another token's signature", f"{head}.{payload}.{good.rpartition('.')[2]}"
        yield f"alg {alg!r}, signed", signed(by, header(by, alg=alg))


def confusions(by: Key) -> Named:
    """The public key, which everybody has, as an HMAC secret; and every other algorithm of the same key."""
    for alg, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        for name, secret in public_texts(by):
            data = segment(header(by, alg=alg)) + b"." + segment(claims())
            mac = b64.encode(hmac.digest(secret, data, digest))
            yield f"{alg} with {name}", f"{data.decode()}.{mac}"
    for other in (
        "HS256",
        "RS256",
        "PS256",
        "ES256",
        "ES384",
        "EdDSA",
        "Ed25519",
        "ES256K",
        "RS1",
        "RSA-OAEP",
        "dir",
        "A128KW",
    ):
        if other != by.alg:
            yield f"{other} over our own signature", signed(by, header(by, alg=other))
        if other in {"HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"}:
            liar = key(other, "stranger")
            yield f"{other}, signed with it", signed(liar, header(liar, kid=by.kid))
            yield f"{by.alg}, signed with {other}", signed(liar, header(by))


def public_texts(by: Key) -> Iterator[tuple[str, bytes]]:
    yield "the empty secret", b""
    yield "the name of the key", by.kid.encode()
    yield "the thumbprint", by.thumbprint.encode()
    yield "the JWK", strictjson.dumps(jwk.export_public(by))
    if by.kty == "oct":
        return
    spki = PublicFormat.SubjectPublicKeyInfo
    for name, encoding, form in (
        ("PEM", Encoding.PEM, spki),
        ("DER", Encoding.DER, spki),
        ("OpenSSH", Encoding.OpenSSH, PublicFormat.OpenSSH),
    ):
        data = by.public.public_bytes(encoding, form)
        yield f"the key as {name}", data
        yield f"the key as {name}, stripped", data.strip()


def names(by: Key) -> Named:
    """`kid` is a name in the set: no path, no query, no address, and nothing but text."""
    for kid in ("", "stranger", by.kid + " ", by.kid.swapcase(), "/dev/null", "../../../../dev/null", "' or '1'='1"):
        yield f"kid {kid!r}", signed(by, header(by, kid=kid))
        yield f"kid {kid!r}, HMAC with nothing", hmac_token(by, kid, b"")
    for kid in ("x' UNION SELECT 'secret' --", "http://localhost/key", "| sleep 10", "%00", by.kid + "\0", "*", "0"):
        yield f"kid {kid!r}, HMAC with a word", hmac_token(by, kid, b"secret")
    wrong: list[Any] = [None, 0, 1, True, 1.5, [], [by.kid], {}, {"kid": by.kid}]
    for value in wrong:
        yield f"kid {value!r}", signed(by, header(by, kid=value))
    yield "our kid, the stranger's key", signed(stranger(by), header(by))
    yield "no kid, the stranger's key", signed(stranger(by), header(by, kid=...))


def hmac_token(by: Key, kid: str, secret: bytes) -> str:
    data = segment(header(by, alg="HS256", kid=kid)) + b"." + segment(claims())
    return f"{data.decode()}.{b64.encode(hmac.digest(secret, data, 'sha256'))}"


def offered_keys(by: Key) -> Named:
    """The header brings its own key, or says where one is (CVE-2018-0114)."""
    liar = stranger(by)
    public = jwk.export_public(liar)
    der = b64encode(b"0" * 64).decode()
    offers: list[dict[str, Any]] = [
        {"jwk": public},
        {"jwk": public | {"kid": by.kid}},
        {"jwk": public, "kid": ...},
        {"jku": "https://evil.example/jwks.json"},
        {"jku": f"{ISSUER}/.well-known/jwks.json@evil.example"},
        {"jku": "file:///etc/passwd"},
        {"x5u": "https://evil.example/chain.pem"},
        {"x5c": [der]},
        {"x5c": [der], "x5t": "AAAA", "x5t#S256": "AAAA"},
        {"keys": [public]},
        {"jwk": public, "crit": ["jwk"]},
        {"epk": public},
        {"k": "AAAA"},
    ]
    for offer in offers:
        yield f"{sorted(offer)}, our kid", signed(liar, header(by, **offer))
        yield f"{sorted(offer)}, its own kid", signed(liar, header(by, **({"kid": liar.kid} | offer)))


def signatures(by: Key) -> Named:
    """Signatures of the wrong length, range, encoding or data."""
    good = signed(by)
    data, _, text = good.rpartition(".")
    signature = b64.decode(text)
    size = len(signature)
    for length in {0, 1, 2, 8, size // 2, size - 2, size - 1}:
        yield f"cut to {length} bytes", f"{data}.{b64.encode(signature[:length])}"
        yield f"without its first {size - length} bytes", f"{data}.{b64.encode(signature[size - length :])}"
    for more in (b"\0", b"\xff", b"\0" * 32, signature):
        yield f"with {len(more)} bytes more", f"{data}.{b64.encode(signature + more)}"
        yield f"with {len(more)} bytes before", f"{data}.{b64.encode(more + signature)}"
    for name, bad in (("zeros", bytes(size)), ("ones", b"\xff" * size), ("reversed", signature[::-1])):
        yield name, f"{data}.{b64.encode(bad)}"
    yield "one, then zeros", f"{data}.{b64.encode(b'1' + bytes(size - 1))}"
    yield "halves swapped", f"{data}.{b64.encode(signature[size // 2 :] + signature[: size // 2])}"
    yield "in hexadecimal", f"{data}.{signature.hex()}"
    yield "encoded twice", f"{data}.{b64.encode(text.encode())}"
    yield "of the payload alone", f"{data}.{b64.encode(by.sign(segment(claims())))}"
    yield (
        "of the decoded text",
        f"{data}.{b64.encode(by.sign(strictjson.dumps(header(by)) + b'.' + strictjson.dumps(claims())))}",
    )
    yield "of nothing", f"{data}.{b64.encode(by.sign(b''))}"
    yield "of a token without dot", f"{data}.{b64.encode(by.sign(data.replace('.', '').encode()))}"
    yield "by a stranger", f"{data}.{b64.encode(stranger(by).sign(data.encode()))}"
    for bit in range(0, size * 8, max(1, size // 2)):
        flipped = bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(signature))
        yield f"bit {bit} flipped", f"{data}.{b64.encode(flipped)}"
    if by.alg in ORDERS:
        yield from ecdsa_signatures(by, data, signature)


def ecdsa_signatures(by: Key, data: str, signature: bytes) -> Named:
    size, order = ORDERS[by.alg]
    r, s = signature[:size], signature[size:]
    edges = {
        "0": 0,
        "the order": order,
        "the order + 1": order + 1,
        "the order - 1": order - 1,
        "1": 1,
        "all ones": 2**256 - 1,
    }
    for name_r, edge_r in edges.items():
        for name_s, edge_s in edges.items():  # r = s = 0 is CVE-2022-21449
            raw = edge_r.to_bytes(size, "big") + edge_s.to_bytes(size, "big")
            yield f"r is {name_r}, s is {name_s}", f"{data}.{b64.encode(raw)}"
    for number, name in ((order, "order"), (2**256 - 1, "all ones"), (0, "zero")):
        yield f"s is {name}", f"{data}.{b64.encode(r + number.to_bytes(size, 'big'))}"
        yield f"r is {name}", f"{data}.{b64.encode(number.to_bytes(size, 'big') + s)}"
    yield "as DER", f"{data}.{b64.encode(to_der(r, s))}"
    yield "as OpenSSL's DER", f"{data}.{b64.encode(by.private.sign(data.encode(), ec.ECDSA(hashes.SHA256())))}"
    yield "each half longer by a zero", f"{data}.{b64.encode(bytes(1) + r + bytes(1) + s)}"
    yield "as two numbers of 48 bytes", f"{data}.{b64.encode(r.rjust(48, bytes(1)) + s.rjust(48, bytes(1)))}"


def mixtures(by: Key) -> Named:
    """Parts of good tokens put together anew."""
    mine, other = signed(by), signed(by, None, claims(sub="admin", jti="another"))
    head, payload, signature = mine.split(".")
    other_head, other_payload, other_signature = other.split(".")
    role = segment(claims(roles=["admin"])).decode()
    yield "another payload", f"{head}.{other_payload}.{signature}"
    yield "another signature", f"{head}.{payload}.{other_signature}"
    yield "a role more", f"{head}.{role}.{signature}"
    yield "a header more", f"{segment(header(by, x=1)).decode()}.{payload}.{signature}"
    yield "header and payload swapped", f"{payload}.{head}.{signature}"
    yield "header as payload", f"{head}.{other_head}.{signature}"
    yield "no payload", f"{head}..{signature}"
    yield "no header", f".{payload}.{signature}"
    yield "two tokens", f"{mine}.{other}"
    yield "two payloads", f"{head}.{payload}{other_payload}.{signature}"
    yield "a dot moved", f"{head}{payload[0]}.{payload[1:]}.{signature}"
    yield "the other dot moved", f"{head}.{payload[:-1]}.{payload[-1]}{signature}"
    for at in range(0, len(mine), 11):
        swapped = ALPHABET[(ALPHABET.find(mine[at]) + 1) % 64]
        yield f"character {at} changed", mine[:at] + swapped + mine[at + 1 :]
        yield f"character {at} missing", mine[:at] + mine[at + 1 :]
        yield f"cut at {at}", mine[:at]


def others(by: Key) -> Named:
    """Good tokens of somebody else."""
    yield "a stranger's", jwt.encode(CLAIMS, stranger(by))
    for alg in ("HS256", "RS256", "ES256", "EdDSA"):
        if alg != by.alg:
            yield f"with {alg}, by a stranger", jwt.encode(CLAIMS, key(alg, "stranger"))
