"""Mint: the facts of a session become tokens; what an access token says (RFC 9068 section 2.2) and how long it lives.

claim                                       when
-----                                       ----
iss sub aud exp iat jti client_id           always; `exp` never lies beyond the session's absolute end
sid                                         sessions are on
scope roles epoch auth_time amr             always; an empty scope is left out
csrf                                        cookies may carry the token: a value that scripts of the same site can send
name email preferred_username               the policy asks for it and the user has it
user_id role                                the policy asks for it; role is the first one, in the order of the alphabet
"""

from collections.abc import Callable, Mapping
from typing import Any

from jotgate.core import refresh_token
from jotgate.core.model import Grant, TokenPair
from jotgate.core.roles import narrow
from jotgate.flows.env import Env
from jotgate.jose import b64, jwt
from jotgate.jose.claims import NOTHING, Claims

_JTI_BYTES = 16
_CSRF_BYTES = 16
_EXTRA: dict[str, Callable[[Grant], str | None]] = {
    "name": lambda grant: grant.name,
    "email": lambda grant: grant.email,
    "preferred_username": lambda grant: grant.username,
    "user_id": lambda grant: grant.user_id,
    "role": lambda grant: next(iter(grant.roles), None),
}


def pair(env: Env, grant: Grant, *, generation: int | None, seed: bytes, now: int) -> TokenPair:
    """The access token, and the refresh token of `generation`; None: there is no refresh token."""
    policy = env.policy
    expires_at = min(now + policy.access_ttl, grant.expires_at)
    scope = " ".join(narrow(grant.permissions, grant.scope))
    csrf = None if policy.transport == "bearer" else b64.encode(env.entropy(_CSRF_BYTES))
    refresh = expires_in = None
    if generation is not None and grant.session_id is not None:
        refresh = refresh_token.mint(grant.session_id, generation, seed, mac=env.keyring.current.mac)
        expires_in = min(grant.expires_at - now, grant.idle_seconds)
    return TokenPair(
        access_token=access_token(env, grant, expires_at=expires_at, scope=scope, now=now, csrf=csrf),
        expires_in=expires_at - now,
        scope=scope,
        refresh_token=refresh,
        refresh_expires_in=expires_in,
        csrf=csrf,
    )


def access_token(env: Env, grant: Grant, *, expires_at: int, scope: str, now: int, csrf: str | None = None) -> str:
    """Signed by the key that signs now."""
    claims = Claims(
        iss=env.issuer,
        sub=grant.user_id,
        aud=grant.audience,
        iat=now,
        exp=expires_at,
        jti=b64.encode(env.entropy(_JTI_BYTES)),
        client_id=grant.client_id,
        sid=grant.session_id,
        scope=scope or None,
        roles=grant.roles,
        epoch=grant.epoch,
        auth_time=grant.auth_time,
        amr=(grant.amr,),
        extra=_extra(env.policy.extra_claims, grant, csrf),
    )
    return jwt.encode(claims, env.keyring.current.signing)


def _extra(names: tuple[str, ...], grant: Grant, csrf: str | None) -> Mapping[str, Any]:
    extra = {name: value for name in names if (value := _EXTRA[name](grant)) is not None}
    if csrf is not None:
        extra["csrf"] = csrf
    return extra or NOTHING
