"""The members of each type of key: JWK members -> `cryptography` objects and back (RFC 7518, 8037, 9964).

kty   public        private                what is checked
----  ------------  ---------------------  -------------------------------------------
RSA   n e           d p q dp dq qi (all)   size, exponent, ROCA, the parts belong together
EC    crv x y       d                      exact lengths, on the curve, d belongs to x y
OKP   crv x         d                      a point of large order, d belongs to x
AKP   alg pub       priv (the seed)        lengths, priv belongs to pub
oct                 k                      see `weakness`
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from jotgate.errors import KeyRefused, Malformed
from jotgate.jose import b64, weakness
from jotgate.jose.algs import Alg

Members = Mapping[str, Any]
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


@dataclass(frozen=True, slots=True)
class KeyType:
    """How one `kty` is read and written."""

    public: tuple[str, ...]  # besides kty: what RFC 7638 hashes
    private: tuple[str, ...]
    load: Callable[[Members, Alg], tuple[Any, Any]]  # -> public, private or None
    check: Callable[[Any, Alg], None]  # of a public key, or of the secret
    dump: Callable[[Any, Alg], dict[str, str]]  # the public members


def octets(members: Members, name: str, *, size: int | None = None) -> bytes:
    """A base64url member; raises `KeyRefused`."""
    text = members.get(name)
    if not isinstance(text, str) or not text:
        raise KeyRefused(f"the key has no member {name}")
    try:
        data = b64.decode(text)
    except Malformed:
        raise KeyRefused(f"the key's member {name} is not base64url") from None
    if size is not None and len(data) != size:
        raise KeyRefused(f"the key's member {name} must have {size} bytes")
    return data


def _number(members: Members, name: str) -> int:
    data = octets(members, name)
    if data[0] == 0:
        raise KeyRefused(f"the key's member {name} has leading zeros")  # RFC 7518 section 2, Base64urlUInt
    return int.from_bytes(data, "big")


def _uint(number: int, size: int | None = None) -> str:
    return b64.encode(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


# --- RSA


def _load_rsa(members: Members, _alg: Alg) -> tuple[Any, Any]:
    numbers = rsa.RSAPublicNumbers(_number(members, "e"), _number(members, "n"))
    weakness.check_rsa(numbers.n, numbers.e)
    if "d" not in members:
        return _made(numbers.public_key), None
    if "oth" in members:
        raise KeyRefused("RSA keys must have two primes")
    d, p, q, dp, dq, qi = (_number(members, name) for name in ("d", "p", "q", "dp", "dq", "qi"))
    private = _made(rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, numbers).private_key)
    return private.public_key(), private


def _check_rsa(public: Any, _alg: Alg) -> None:
    if not isinstance(public, rsa.RSAPublicKey):
        raise KeyRefused("not an RSA key")
    numbers = public.public_numbers()
    weakness.check_rsa(numbers.n, numbers.e)


def _dump_rsa(public: rsa.RSAPublicKey, _alg: Alg) -> dict[str, str]:
    numbers = public.public_numbers()
    return {"n": _uint(numbers.n), "e": _uint(numbers.e)}


# --- EC


def _load_ec(members: Members, alg: Alg) -> tuple[Any, Any]:
    curve = CURVES[alg.crv or ""]
    size = (curve.key_size + 7) // 8
    x, y = (int.from_bytes(octets(members, name, size=size), "big") for name in ("x", "y"))
    public = _made(ec.EllipticCurvePublicNumbers(x, y, curve).public_key)
    if "d" not in members:
        return public, None
    d = int.from_bytes(octets(members, "d", size=size), "big")
    return public, _belongs(_made(lambda: ec.derive_private_key(d, curve)), public)


def _check_ec(public: Any, alg: Alg) -> None:
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != CURVES[alg.crv or ""].name:
        raise KeyRefused(f"not a key on {alg.crv}")


def _dump_ec(public: ec.EllipticCurvePublicKey, alg: Alg) -> dict[str, str]:
    numbers, size = public.public_numbers(), (public.key_size + 7) // 8
    return {"crv": str(alg.crv), "x": _uint(numbers.x, size), "y": _uint(numbers.y, size)}


# --- OKP


def _load_okp(members: Members, _alg: Alg) -> tuple[Any, Any]:
    x = octets(members, "x", size=32)
    weakness.check_ed25519(x)
    public = ed25519.Ed25519PublicKey.from_public_bytes(x)
    if "d" not in members:
        return public, None
    private = ed25519.Ed25519PrivateKey.from_private_bytes(octets(members, "d", size=32))
    return public, _belongs(private, public)


def _check_okp(public: Any, _alg: Alg) -> None:
    if not isinstance(public, ed25519.Ed25519PublicKey):
        raise KeyRefused("not an Ed25519 key")


def _dump_okp(public: ed25519.Ed25519PublicKey, alg: Alg) -> dict[str, str]:
    return {"crv": str(alg.crv), "x": b64.encode(public.public_bytes_raw())}


# --- AKP


def _load_akp(members: Members, alg: Alg) -> tuple[Any, Any]:
    private_class, public_class = alg.kind
    pub = octets(members, "pub")
    public = _made(lambda: public_class.from_public_bytes(pub))
    if "priv" not in members:
        return public, None
    seed = octets(members, "priv", size=32)
    return public, _belongs(private_class.from_seed_bytes(seed), public)


def _check_akp(public: Any, alg: Alg) -> None:
    if not isinstance(public, alg.kind[1]):
        raise KeyRefused(f"not an {alg.name} key")


def _dump_akp(public: Any, alg: Alg) -> dict[str, str]:
    return {"alg": alg.name, "pub": b64.encode(public.public_bytes_raw())}


# --- oct


def _load_oct(members: Members, alg: Alg) -> tuple[None, bytes]:
    secret = octets(members, "k")
    _check_oct(secret, alg)
    return None, secret


def _check_oct(secret: bytes, alg: Alg) -> None:
    weakness.check_secret(secret, shortest=alg.secret_bytes)


def _dump_oct(_public: None, _alg: Alg) -> dict[str, str]:
    return {}


def _made(make: Callable[[], Any]) -> Any:
    """What `cryptography` makes of the numbers; it raises ValueError where they make no key."""
    try:
        return make()
    except ValueError:
        raise KeyRefused("the key's members make no valid key") from None


def _belongs(private: Any, public: Any) -> Any:
    if private.public_key() != public:
        raise KeyRefused("the private and the public half do not belong together")
    return private


KEY_TYPES: dict[str, KeyType] = {
    "RSA": KeyType(("e", "n"), ("d", "p", "q", "dp", "dq", "qi", "oth"), _load_rsa, _check_rsa, _dump_rsa),
    "EC": KeyType(("crv", "x", "y"), ("d",), _load_ec, _check_ec, _dump_ec),
    "OKP": KeyType(("crv", "x"), ("d",), _load_okp, _check_okp, _dump_okp),
    "AKP": KeyType(("alg", "pub"), ("priv",), _load_akp, _check_akp, _dump_akp),
    "oct": KeyType((), ("k",), _load_oct, _check_oct, _dump_oct),
}
PRIVATE_MEMBERS = frozenset(name for kty in KEY_TYPES.values() for name in kty.private)
