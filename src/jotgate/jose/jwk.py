"""Key: one key with one algorithm; parse, export the public half, thumbprint, seal (RFC 7517, RFC 7638).

A JWK without `alg` gets the one that its members decide: the curve's for EC, EdDSA for Ed25519, RS256 for RSA; a secret
has none of its own and must be told. `use` must be `sig` and `key_ops` must allow what the key is for.
A key without `kid` is called by its RFC 7638 thumbprint.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from jotgate.errors import KeyRefused, Malformed, SignatureInvalid, UnknownKey
from jotgate.jose import b64, strictjson
from jotgate.jose.algs import ALGS, Alg, Sign, Verify
from jotgate.jose.keytypes import KEY_TYPES

MAX_KID = 256  # characters
_DEFAULT_ALG = {
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
    ("RSA", None): "RS256",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key, one algorithm. `private` is None in a public half; a secret (oct) has no public half."""

    kid: str
    alg: str
    kty: str
    public: Any = field(compare=False)  # the thumbprint says it
    private: Any = field(repr=False, compare=False)
    verify: Verify = field(repr=False, compare=False)  # verify(signature, data) raises SignatureInvalid
    sign: Sign = field(repr=False, compare=False)  # sign(data) -> signature; raises KeyRefused in a public half
    thumbprint: str = ""  # RFC 7638
    known: dict[bytes, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # see `jws`

    def pick(self, kid: str | None, alg: str) -> "Key":
        """Itself, as a set of one: a header may leave `kid` out, but not name another."""
        if kid is not None and kid != self.kid:
            raise UnknownKey("the token names another key")
        if alg != self.alg:
            raise SignatureInvalid("the header names another algorithm than the key's")
        return self


def parse(source: Mapping[str, Any] | str | bytes, *, alg: str | None = None) -> Key:
    """A JWK as a mapping or JSON; raises `KeyRefused`.

    `alg`: for a key that names none; one that names another is refused.
    """
    members = read(source)
    row = algorithm(members, alg)
    _check_use(members)
    public, private = KEY_TYPES[row.kty].load(members, row)
    return build(row, public, private, kid=_kid(members))


def read(source: Mapping[str, Any] | str | bytes) -> Mapping[str, Any]:
    """The object, from JSON where it is not one yet; raises `KeyRefused`."""
    if isinstance(source, Mapping):
        return source
    try:
        return strictjson.loads(source.encode() if isinstance(source, str) else source)
    except (Malformed, UnicodeEncodeError):
        raise KeyRefused("the key is not strict JSON") from None


def algorithm(members: Mapping[str, Any], asked: str | None = None) -> Alg:
    """The row of the table that this JWK is for; raises `KeyRefused`."""
    kty, crv = members.get("kty"), members.get("crv")
    named = members["alg"] if "alg" in members else asked or _default(kty, crv)
    if asked is not None and named != asked:
        raise KeyRefused("the key names another algorithm")
    row = ALGS.get(named) if isinstance(named, str) else None
    if row is None or row.kty != kty:
        raise KeyRefused("the key is for no algorithm that is known here")
    if row.crv is not None and row.crv != crv:
        raise KeyRefused(f"{row.name} needs a key on {row.crv}")
    return row


def _default(kty: Any, crv: Any) -> str | None:
    if not isinstance(kty, str) or not isinstance(crv, str | None):
        return None
    return _DEFAULT_ALG.get((kty, crv))


def build(row: Alg, public: Any, private: Any, *, kid: str | None) -> Key:
    """A key of parts that have been checked."""
    thumb = _thumbprint(row, public, private)
    return Key(
        kid=kid or thumb,
        alg=row.name,
        kty=row.kty,
        public=public,
        private=private,
        verify=row.verify(private if row.kty == "oct" else public),
        sign=_no_private if private is None else row.sign(private),
        thumbprint=thumb,
    )


def public_half(key: Key) -> Key:
    """The same key without its private part; a secret has no public half: raises `KeyRefused`."""
    if key.kty == "oct":
        raise KeyRefused("a secret has no public half")
    return build(ALGS[key.alg], key.public, None, kid=key.kid)


def export_public(key: Key) -> dict[str, str]:
    """The JWK to publish; of a secret only its type, name and algorithm."""
    members = KEY_TYPES[key.kty].dump(key.public, ALGS[key.alg])
    return {"kty": key.kty, "kid": key.kid, "alg": key.alg, "use": "sig"} | members


def thumbprint(key: Key) -> str:
    """RFC 7638, SHA-256, base64url."""
    return key.thumbprint


def to_private_bytes(key: Key) -> bytes:
    """PKCS #8 in DER, or the secret itself; to be sealed, never stored so. Raises `KeyRefused` in a public half."""
    if key.private is None:
        raise KeyRefused("the key has no private half")
    if key.kty == "oct":
        return bytes(key.private)
    der: bytes = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return der


def from_private_bytes(alg: str, kid: str | None, data: bytes) -> Key:
    """The reverse of `to_private_bytes`; every check of `parse` is made again. Raises `KeyRefused`."""
    row = ALGS.get(alg)
    if row is None:
        raise KeyRefused("no such algorithm")
    public, private = (None, bytes(data)) if row.kty == "oct" else _from_pkcs8(data)
    KEY_TYPES[row.kty].check(private if public is None else public, row)
    return build(row, public, private, kid=kid)


def _from_pkcs8(data: bytes) -> tuple[Any, Any]:
    try:
        private = load_der_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("not a private key in PKCS #8") from None
    return private.public_key(), private


def _thumbprint(row: Alg, public: Any, private: Any) -> str:
    members = KEY_TYPES[row.kty].dump(public, row) if public is not None else {"k": b64.encode(private)}
    members["kty"] = row.kty
    return b64.encode(sha256(strictjson.dumps(dict(sorted(members.items())))).digest())


def _kid(members: Mapping[str, Any]) -> str | None:
    kid = members.get("kid")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID):
        raise KeyRefused(f"kid must be a string of 1 to {MAX_KID} characters")
    return kid


def _check_use(members: Mapping[str, Any]) -> None:
    if members.get("use", "sig") != "sig":
        raise KeyRefused("the key is not for signatures")
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not {"sign", "verify"} & {op for op in operations if isinstance(op, str)}:
        raise KeyRefused("the key is not for signatures")


def _no_private(_data: bytes) -> bytes:
    raise KeyRefused("the key has no private half")
