"""Who may call our own routes: a verified token, and what the store says about its session and user right now.

    route            audience              besides
    -----            --------              -------
    a user's own     any of the issuer     the session is open, the user enabled, the claims not stale
    administration   the issuer alone      the same, and the scope jotgate:admin; never under HS256
    logout           any of the issuer     nothing: an authentic token is enough, expired or not

Guards elsewhere hold the secret of HS256 and could mint an administrator's token themselves.
"""

from typing import Any

from jotgate.core.roles import ADMIN_PERMISSION
from jotgate.errors import (
    AudienceMismatch,
    ClaimsStale,
    IssuerMismatch,
    Refused,
    Revoked,
    TokenError,
    TokenMissing,
    TypeMismatch,
)
from jotgate.guard.principal import Principal
from jotgate.jose import claims, jws
from jotgate.jose.claims import Claims
from jotgate.server.gate import Gate, Who
from jotgate.server.request import Request
from jotgate.store import sessions, users
from jotgate.wire import bearer
from jotgate.wire.bearer import Credentials


async def admit(gate: Gate, request: Request, who: Who) -> Principal:
    """The caller, who may. Raises `TokenError`, `Forbidden`, `CrossSite`, `Refused`."""
    administrator = who is Who.ADMINISTRATOR
    if administrator and gate.policy.symmetric:
        raise Refused("administration is off under HS256: every guard could mint an administrator's token")
    credentials = _credentials(gate, request)
    if credentials is None:
        raise TokenMissing
    principal = gate.guard.check(credentials.token, now=gate.env.clock())
    assert isinstance(principal, Principal)  # our own keys need not be waited for
    _same_site(gate, request, credentials, principal.claims.get("csrf"))
    epoch = await _epoch(gate, principal, without_session=administrator or not gate.policy.sessions)
    if (administrator or gate.policy.revocation) and principal.claims.get("epoch", 0) < epoch:
        raise ClaimsStale("the user's roles or state changed")
    if administrator:
        if principal.claims["aud"] != (gate.policy.issuer,):
            raise AudienceMismatch("administration takes tokens for the issuer alone")
        principal.require(scope=ADMIN_PERMISSION)
    return principal


def authentic(gate: Gate, request: Request) -> Claims | None:
    """The claims of a token that we signed, expired or not; None: there is none. Raises `TokenError`, `CrossSite`."""
    credentials = _credentials(gate, request)
    if credentials is None:
        return None
    try:
        said = _claims(gate, credentials.token)
    except TokenError:
        if credentials.source == "cookie":  # who sends it can neither see nor remove it
            return None
        raise
    _same_site(gate, request, credentials, said.extra.get("csrf"))
    return said


def _credentials(gate: Gate, request: Request) -> Credentials | None:
    return bearer.from_request(request.every(b"authorization"), gate.browser.found(request).access)


def _claims(gate: Gate, token: str) -> Claims:
    verified = jws.verify(token, gate.env.keyring.current.public)
    if jws.media_type(str(verified.header.get("typ"))) != "at+jwt":
        raise TypeMismatch("typ is another")
    said = claims.read(verified.payload)
    if said.iss != gate.policy.issuer:
        raise IssuerMismatch("another issuer")
    return said


def _same_site(gate: Gate, request: Request, credentials: Credentials, csrf: Any) -> None:
    if credentials.source == "cookie":
        gate.browser.check(request, csrf if isinstance(csrf, str) else None)


def came_by_cookie(gate: Gate, request: Request) -> bool:
    """Whether the credential of an admitted request is a cookie, which another site's page can make a browser send."""
    credentials = _credentials(gate, request)
    return credentials is not None and credentials.source == "cookie"


async def _epoch(gate: Gate, principal: Principal, *, without_session: bool) -> int:
    """The user's epoch of this moment. Raises `Revoked`: the session is over, the user disabled or removed."""
    tx = gate.env.store.read()
    if principal.sid is not None:
        grant = await sessions.grant(tx, principal.sid, int(gate.env.clock()))
        if grant is not None and grant.user_id == principal.sub:
            return grant.epoch
    elif without_session:
        user = await users.by_id(tx, principal.sub)
        if user is not None and user.disabled_at is None:
            return user.epoch
    raise Revoked("the session is over, or its user disabled or removed")
