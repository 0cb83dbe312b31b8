"""Tokens for others to judge: what any of them must accept, and what nobody should.

    group      what they are                                    who accepts one
    ------     ----------------------------------------------   -------------------------------------------
    forged     made without the issuer's key                    has a hole
    foreign    the issuer's own, for others or another time     lacks a check, or was not told to make it
    sloppy     the issuer's own, spelt in another way           is lenient

Times are real ones: most of those who are asked cannot be told another.
"""

import hmac
import time
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jotgate.jose import Claims, Key, b64, jwk, jwt, strictjson
from jotgate.jose.algs import to_der
from tests.jose.keys import header, key, sealed, segment, signed

AUDIENCE = "gym"
Bad = Iterator[tuple[str, str]]


def members(issuer: str, **changes: Any) -> dict[str, Any]:
    """What our issuer says; a member that is `...` is left out."""
    now = int(time.time())
    said: dict[str, Any] = {
        "iss": issuer,
        "sub": "0193513c6d7a7b3c8d1e2f3a4b5c6d7e",
        "aud": [AUDIENCE],
        "exp": now + 900,
        "iat": now,
        "jti": "0193513c6d7a7b3c8d1e2f3a4b5c6d7f",
        "client_id": "jotgate",
        "sid": "0193513c6d7a7b3c8d1e2f3a4b5c6d80",
        "scope": "members:read payments:read",
        "roles": ["front.desk", "manager"],
    }
    return {name: value for name, value in {**said, **changes}.items() if value is not ...}


def good(by: Key, issuer: str, **changes: Any) -> str:
    """A token as our issuer makes it."""
    said = members(issuer, **changes)
    for name in {"aud", "roles"} & said.keys():
        said[name] = tuple(said[name])
    return jwt.encode(Claims(**said), by)


def bad(by: Key, issuer: str) -> dict[str, str]:
    """All of them, each by what it tries."""
    return {name: token for group in (forged, foreign, sloppy) for name, token in group(by, issuer)}


def forged(by: Key, issuer: str) -> Bad:
    token = good(by, issuer)
    head, payload, signature = token.split(".")
    raised = segment(members(issuer, roles=["admin"])).decode()
    yield "a changed payload", f"{head}.{raised}.{signature}"
    yield "a changed header", f"{segment(header(by, cty='x')).decode()}.{payload}.{signature}"
    yield "a cut signature", token[:-8]
    yield "an empty signature", f"{head}.{payload}."
    yield "no signature", f"{head}.{payload}"
    yield "a signature of zeros", f"{head}.{payload}.{b64.encode(bytes(len(b64.decode(signature))))}"
    for none in ("none", "None", "NONE", ""):
        yield f"alg {none!r}", f"{segment(header(by, alg=none)).decode()}.{payload}."
    yield "no alg", f"{segment(header(by, alg=...)).decode()}.{payload}.{signature}"
    stranger = key(by.alg, "stranger")
    yield "a stranger's key under our name", signed(stranger, header(by), members(issuer))
    yield "a stranger's key under its own name", signed(stranger, None, members(issuer))
    yield "a stranger's key without a name", signed(stranger, header(stranger, kid=...), members(issuer))
    if by.kty != "oct":
        offered = header(stranger, kid=..., jwk=dict(jwk.export_public(stranger)))
        yield "a stranger's key in the header", signed(stranger, offered, members(issuer))
        yield from confused(by, issuer)
    far = header(by, jku="http://127.0.0.1:1/jwks.json")
    yield "a stranger's key behind an address", signed(stranger, far, members(issuer))


def confused(by: Key, issuer: str) -> Bad:
    """The public key, which everybody has, as an HMAC secret."""
    spki = PublicFormat.SubjectPublicKeyInfo
    secrets = {"the empty secret": b"", "the key's name": by.kid.encode()}
    secrets["the public key as JWK"] = strictjson.dumps(jwk.export_public(by))
    if hasattr(by.public, "public_bytes"):
        secrets["the public key as PEM"] = by.public.public_bytes(Encoding.PEM, spki)
        secrets["the public key as DER"] = by.public.public_bytes(Encoding.DER, spki)
    for name, secret in secrets.items():
        data = segment(header(by, alg="HS256")) + b"." + segment(members(issuer))
        yield f"HS256 with {name}", f"{data.decode()}.{b64.encode(hmac.digest(secret, data, 'sha256'))}"


def foreign(by: Key, issuer: str) -> Bad:
    now = int(time.time())
    changes: dict[str, dict[str, Any]] = {
        "expired": {"exp": now - 120, "iat": now - 1000},
        "no exp": {"exp": ...},
        "exp as text": {"exp": str(now + 900)},
        "a lifetime of ten days": {"exp": now + 864_000},
        "not yet valid": {"nbf": now + 600},
        "issued in the future": {"iat": now + 600},
        "another issuer": {"iss": "https://evil.example"},
        "an issuer that begins like ours": {"iss": issuer + ".evil.example"},
        "no issuer": {"iss": ...},
        "another audience": {"aud": ["pool"]},
        "an audience that holds ours": {"aud": ["gymnast"]},
        "no audience": {"aud": ...},
        "no sub": {"sub": ...},
    }
    for name, change in changes.items():
        yield name, signed(by, None, members(issuer, **change))
    for name, typ in (("JWT", "JWT"), ("none", ...), ("logout+jwt", "logout+jwt"), ("dpop+jwt", "dpop+jwt")):
        yield f"typ {name}", signed(by, header(by, typ=typ), members(issuer))
    critical = header(by, crit=["exp"], exp=now + 900)
    yield "a crit that nobody understands", signed(by, critical, members(issuer))


def sloppy(by: Key, issuer: str) -> Bad:
    token = good(by, issuer)
    head, payload, signature = token.split(".")
    yield "padding behind the signature", token + "=" * (-len(signature) % 4 or 4)
    yield "a character too many in the signature", token + "A"
    if (spare := _other_spare_bits(signature)) != signature:
        yield "other spare bits in the signature", f"{head}.{payload}.{spare}"
    if by.alg.startswith("ES"):
        raw = b64.decode(signature)
        der = to_der(raw[: len(raw) // 2], raw[len(raw) // 2 :])
        yield "a DER signature", f"{head}.{payload}.{b64.encode(der)}"
    yield "four segments", token + "." + signature
    twice = strictjson.dumps(members(issuer))[:-1] + b',"sub":"root"}'
    yield "a claim twice", signed(by, None, twice)
    yield "padding inside the signed text", sealed(by, segment(header(by)) + b"=", segment(members(issuer)))
    yield "over 8 KiB", signed(by, None, members(issuer, name="x" * 8192))


def _other_spare_bits(signature: str) -> str:
    """The same bytes in base64url, where the last character has bits that mean nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if len(signature) % 4 == 0:
        return signature
    return signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
