"""Keys for tests: one of each algorithm, made once a process; and the tokens they sign, well formed or not."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jotgate.jose import Claims, Expect, Key, b64, new_key, strictjson
from jotgate.jose.algs import ALGS

Named = Iterator[tuple[str, str | bytes]]  # what a token tries, and the token

NOW = 1_900_000_000
ISSUER = "https://auth.example.com"
AUDIENCE = "gym"
EXPECT = Expect(ISSUER, AUDIENCE)
CLAIMS = Claims(
    iss=ISSUER,
    sub="0193513c6d7a7b3c8d1e2f3a4b5c6d7e",
    aud=(AUDIENCE,),
    exp=NOW + 900,
    iat=NOW,
    jti="0193513c6d7a7b3c8d1e2f3a4b5c6d7f",
    client_id="jotgate",
    sid="0193513c6d7a7b3c8d1e2f3a4b5c6d80",
    scope="members:read payments:read",
    roles=("manager",),
    epoch=NOW,
    auth_time=NOW,
    amr=("pwd",),
)
MEMBERS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "0193513c6d7a7b3c8d1e2f3a4b5c6d7e",
    "aud": AUDIENCE,
    "exp": NOW + 900,
    "iat": NOW,
    "jti": "0193513c6d7a7b3c8d1e2f3a4b5c6d7f",
    "client_id": "jotgate",
}


def key(alg: str, kid: str | None = None) -> Key:
    """The same key whenever it is asked for."""
    return _made(alg, kid or f"{alg}-1")


@cache
def _made(alg: str, kid: str) -> Key:
    return new_key(alg, kid)


def algorithms() -> tuple[str, ...]:
    return tuple(ALGS)


def header(of: Key, **more: Any) -> dict[str, Any]:
    """The header that we would write, and more; a member that is `...` is left out."""
    members = {"alg": of.alg, "kid": of.kid, "typ": "at+jwt", **more}
    return {name: value for name, value in members.items() if value is not ...}


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that would be accepted, changed; a member that is `...` is left out."""
    return {name: value for name, value in {**MEMBERS, **changes}.items() if value is not ...}


def signed(
    by: Key, head: Mapping[str, Any] | bytes | None = None, said: Mapping[str, Any] | bytes | None = None
) -> str:
    """A token whose signature is good, whatever header and payload say."""
    return sealed(by, segment(header(by) if head is None else head), segment(claims() if said is None else said))


def sealed(by: Key, head: bytes, payload: bytes) -> str:
    """The same over segments as they are."""
    data = head + b"." + payload
    return (data + b"." + b64.encode_bytes(by.sign(data))).decode("latin-1")


def segment(content: Mapping[str, Any] | bytes) -> bytes:
    return b64.encode_bytes(content if isinstance(content, bytes) else strictjson.dumps(content))
