"""A token that is seen for the first time: signature, claims, and what is worth remembering of it (RFC 9068).

Claims are shared by all requests that bring the same token, so they cannot be changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from jotgate.errors import Malformed, TypeMismatch
from jotgate.guard.principal import FrozenDict, Principal, frozen
from jotgate.guard.revoked import Marks
from jotgate.jose import access_token, claims, jws
from jotgate.jose.claims import Claims, Expect
from jotgate.jose.jws import Keys

_NAMES: Final = tuple(name for name in Claims.__struct_fields__ if name != "extra")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of every token."""

    expect: Expect
    any_audience: bool = False  # the issuer itself takes what it has issued for others
    marked: bool = False  # there are revocations that may hit it


@dataclass(frozen=True, slots=True)
class Judged:
    """A token whose signature and claims are good, whatever the news say."""

    principal: Principal
    until: int  # from here on it is expired, leeway included
    keys: Keys  # that it was verified with
    marks: Marks | None  # None where there are no revocations to know


def judge(token: str, keys: Keys, ask: Ask, *, now: int) -> Judged:
    """As `jwt.decode` does, the name of the key kept. Raises a `TokenError`."""
    header, payload = jws.unseal(token, keys)
    if header.typ != ask.expect.typ:
        raise TypeMismatch("typ is another")
    said = claims.read(payload)
    expect = msgspec.structs.replace(ask.expect, audience=said.aud[0]) if ask.any_audience else ask.expect
    access_token.check(said, expect, now)
    marks = _marks(said, header.kid or keys.pick(None, header.alg).kid) if ask.marked else None
    return Judged(_principal(said), said.exp + expect.leeway, keys, marks)


def text_of(token: object) -> str:
    """A token as text. Raises `Malformed`."""
    if isinstance(token, str):
        return str(token)
    if isinstance(token, bytes) and token.isascii():
        return token.decode()
    raise Malformed("a token is text in ASCII")


def _marks(said: Claims, kid: str) -> Marks:
    names = (("sid", said.sid), ("jti", said.jti), ("kid", kid))
    return Marks.of(said.iss, names=names, subject=said.sub, epoch=said.epoch)


def _principal(said: Claims) -> Principal:
    return Principal(
        sub=said.sub,
        sid=said.sid,
        roles=said.roles,
        scopes=frozenset(said.scope.split()) if said.scope else frozenset(),
        claims=_claims(said),
    )


def _claims(said: Claims) -> Mapping[str, Any]:
    """As the token has them; `aud` is always a tuple, and what the token leaves out is not there."""
    own = {name: value for name in _NAMES if (value := getattr(said, name)) not in (None, ())}
    return FrozenDict(own | {name: frozen(value) for name, value in said.extra.items()})
