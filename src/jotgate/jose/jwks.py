"""KeySet: the keys of one issuer, picked by `kid` and algorithm (RFC 7517 section 5).

in the set                                               what happens
-------------------------------------------------------  --------------------
secrets beside public keys                               refused whole
a private part                                           refused whole
a weak or malformed key of a type known here             refused whole
a `kid` or a key twice                                   refused whole
a key for encryption, or of a type or curve unknown here left out (RFC 7517 section 5)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jotgate.errors import KeyRefused, Malformed, SignatureInvalid, UnknownKey
from jotgate.jose import jwk, strictjson
from jotgate.jose.algs import ALGS
from jotgate.jose.jwk import Key
from jotgate.jose.keytypes import KEY_TYPES, PRIVATE_MEMBERS

MAX_KEYS = 100
MAX_BYTES = 262_144
_CURVES = frozenset(alg.crv for alg in ALGS.values())


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys of one issuer. Make one with `of` or `parse`."""

    keys: tuple[Key, ...]
    by_kid: Mapping[str, Key] = field(init=False, repr=False, compare=False)
    known: dict[bytes, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # see `jws`

    def __post_init__(self) -> None:
        by_kid = {key.kid: key for key in self.keys}
        if len(by_kid) != len(self.keys) or len({key.thumbprint for key in self.keys}) != len(self.keys):
            raise KeyRefused("the set holds a key twice")
        if len({key.kty == "oct" for key in self.keys}) > 1:
            raise KeyRefused("the set mixes secrets and public keys")
        object.__setattr__(self, "by_kid", by_kid)

    @property
    def symmetric(self) -> bool:
        """Secrets: whoever holds the set can sign."""
        return any(key.kty == "oct" for key in self.keys)

    def pick(self, kid: str | None, alg: str) -> Key:
        """The key of this name; raises `UnknownKey`, or `SignatureInvalid` where its algorithm is another.

        A header without `kid` gets the only key of its algorithm, if it is the only one.
        """
        key = self.by_kid.get(kid) if kid is not None else self._only(alg)
        if key is None:
            raise UnknownKey("no key of this name")
        if key.alg != alg:
            raise SignatureInvalid("the header names another algorithm than the key's")
        return key

    def _only(self, alg: str) -> Key | None:
        found = [key for key in self.keys if key.alg == alg]
        return found[0] if len(found) == 1 else None

    def export(self) -> dict[str, Any]:
        """The JWK set to publish: public halves; secrets are left out."""
        return {"keys": [jwk.export_public(key) for key in self.keys if key.kty != "oct"]}


def of(*keys: Key) -> KeySet:
    """A set of our own keys; raises `KeyRefused` where they do not go together."""
    return KeySet(keys)


def parse(source: Mapping[str, Any] | str | bytes) -> KeySet:
    """A JWK set as a mapping or JSON, by the table above. Raises `KeyRefused`."""
    entries = _read(source).get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise KeyRefused(f"a key set has a list of at most {MAX_KEYS} keys")
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise KeyRefused("a key in the set is no object")
    _check_together(entries)
    return KeySet(tuple(jwk.parse(entry) for entry in entries if _usable(entry)))


def _read(source: Mapping[str, Any] | str | bytes) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    try:
        data = source.encode() if isinstance(source, str) else source
        return strictjson.loads(data, max_bytes=MAX_BYTES)
    except (Malformed, UnicodeEncodeError):
        raise KeyRefused("the key set is not strict JSON") from None


def _check_together(entries: Sequence[Mapping[str, Any]]) -> None:
    secrets = [entry for entry in entries if entry.get("kty") == "oct"]
    if secrets and len(secrets) != len(entries):
        raise KeyRefused("the set mixes secrets and public keys")
    if not secrets and any(not PRIVATE_MEMBERS.isdisjoint(entry) for entry in entries):
        raise KeyRefused("the set holds a private key")


def _usable(entry: Mapping[str, Any]) -> bool:
    """Is it a key for signatures, of a type, curve and algorithm known here? What is malformed counts as usable."""
    kty, crv, alg, operations = (entry.get(name) for name in ("kty", "crv", "alg", "key_ops"))
    return (
        not (isinstance(kty, str) and kty not in KEY_TYPES)
        and not (isinstance(alg, str) and alg not in ALGS)
        and not (isinstance(crv, str) and crv not in _CURVES)
        and not (isinstance(operations, list) and "verify" not in operations)
        and entry.get("use", "sig") == "sig"
    )
