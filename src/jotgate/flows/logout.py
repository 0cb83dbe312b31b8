"""Logout: end the session that a token belongs to, or all sessions of a user. Doing it twice is fine."""

from jotgate.core.refresh_token import parse
from jotgate.errors import GrantError
from jotgate.flows.env import Env, sequence, tell_closed
from jotgate.jose import Claims
from jotgate.store import sessions
from jotgate.store.ports import Tx


async def logout(env: Env, *, refresh_token: str | None = None, claims: Claims | None = None) -> None:
    """End the session of the refresh token (any generation of it) and that of the access token.

    `claims` are those of an authentic access token of ours, expired or not. What is not ours ends nothing.
    """
    named = {_session_of(env, refresh_token), claims.sid if claims else None}
    ids = sorted(one for one in named if one)  # in order: of two who end the same two none waits for the other
    if not ids:
        return
    now = int(env.clock())

    async def change(tx: Tx) -> bool:
        closed = [one for one in ids if await sessions.close(tx, one, "logout", now)]
        await tell_closed(env, tx, closed, now=now)
        return bool(closed)

    if await env.store.write(change):
        await sequence(env)


async def logout_all(env: Env, user_id: str) -> None:
    """End all sessions of the user."""
    now = int(env.clock())

    async def change(tx: Tx) -> None:
        await tell_closed(env, tx, await sessions.close_all(tx, user_id, "logout", now), now=now)

    await env.store.write(change)
    await sequence(env)


def _session_of(env: Env, refresh_token: str | None) -> str | None:
    if refresh_token is None:
        return None
    try:
        return parse(refresh_token, env.keyring.current.macs).session_id
    except GrantError:
        return None
