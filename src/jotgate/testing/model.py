"""A token that a guard would accept, in parts: hostile ones are made from it by changing one thing (RFC 7515)."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jotgate.jose import Key, b64, new_key, strictjson

Named = Iterator[tuple[str, str]]  # what a token tries, in snake_case, and the token: printable ASCII
Words = str | Iterable[str]  # one or several
SUBJECT = "test-user"
LIFETIME_SECONDS = 900
Part = Mapping[str, Any] | bytes


@dataclass(frozen=True, slots=True)
class Model:
    """What to sign with, what a good token says, and what is asked of it."""

    key: Key = field(repr=False)
    claims: Mapping[str, Any]
    now: int
    leeway: int = 10
    max_lifetime: int = 86_400

    @property
    def good(self) -> str:
        """The token that all others differ from."""
        return self.signed()

    def header(self, **changes: Any) -> dict[str, Any]:
        """The header of a good token, changed; a member that is `...` is left out."""
        return _changed({"alg": self.key.alg, "kid": self.key.kid, "typ": "at+jwt"}, changes)

    def said(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, changed; a claim that is `...` is left out."""
        return _changed(self.claims, changes)

    def signed(self, head: Part | None = None, said: Part | None = None) -> str:
        """A token whose signature is good, whatever header and payload say."""
        return seal(self.key, self.header() if head is None else head, self.claims if said is None else said)


def says(
    role: Words, scope: Words, *, issuer: str, audiences: Sequence[str], now: int, seconds: int, **claims: Any
) -> dict[str, Any]:
    """The claims of a good token (RFC 9068 section 2.2); `claims` are added or changed, and left out where None."""
    usual = {
        "iss": issuer,
        "sub": SUBJECT,
        "aud": list(audiences),
        "exp": now + seconds,
        "iat": now,
        "jti": secrets.token_hex(8),
        "client_id": "jotgate-testing",
        "sid": secrets.token_hex(8),
        "scope": scope if isinstance(scope, str) else " ".join(scope),
        "roles": [role] if isinstance(role, str) else list(role),
        "auth_time": now,
        "amr": ["pwd"],
    }
    return {name: value for name, value in (usual | claims).items() if value is not None and value not in ("", [])}


def seal(by: Key, head: Part, said: Part) -> str:
    """A token by any key: parts that are no bytes yet become JSON."""
    return sealed(by, segment(head), segment(said))


def sealed(by: Key, head: bytes, said: bytes) -> str:
    """The same over segments as they are."""
    data = head + b"." + said
    return (data + b"." + b64.encode_bytes(by.sign(data))).decode()


def segment(part: Part) -> bytes:
    """Base64url of the bytes, or of the JSON."""
    return b64.encode_bytes(part if isinstance(part, bytes) else strictjson.dumps(part))


@cache
def stranger(alg: str) -> Key:
    """A key that no guard knows: the attacker's own."""
    return new_key(alg, "stranger")


def _changed(members: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not ...}
