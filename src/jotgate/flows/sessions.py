"""Sessions: see one's own, end one of them; an administrator ends anybody's."""

from jotgate.core.model import Session
from jotgate.errors import NotFound
from jotgate.flows.env import Env, sequence, tell_closed
from jotgate.store import audit, sessions
from jotgate.store.ports import Tx


async def list_own(env: Env, user_id: str) -> tuple[Session, ...]:
    """The user's open sessions, oldest first."""
    return await sessions.of_user(env.store.read(), user_id, int(env.clock()))


async def page(env: Env, *, after: str = "", limit: int = 1000) -> tuple[Session, ...]:
    """Open sessions of everybody, oldest first, those whose id comes after `after`."""
    return await sessions.page(env.store.read(), int(env.clock()), after=after, limit=limit)


async def is_open(env: Env, session_id: str) -> bool:
    """Whether the session lives and its user may use it: what the issuer's own routes ask besides the token."""
    return await sessions.grant(env.store.read(), session_id, int(env.clock())) is not None


async def end(env: Env, session_id: str, *, user_id: str | None = None, actor: str | None = None) -> None:
    """End it; with `user_id` only that user's own. Raises `NotFound` for what is not theirs, over or not there."""
    now = int(env.clock())
    why = "admin" if user_id is None else "logout"

    async def change(tx: Tx) -> None:
        session = await sessions.by_id(tx, session_id)
        if session is None or user_id not in {None, session.user_id}:
            raise NotFound("no such session")
        if not await sessions.close(tx, session_id, why, now):
            raise NotFound("the session is over")
        await tell_closed(env, tx, (session_id,), now=now)
        if user_id is None:
            await audit.append(
                tx, "session_ended", now=now, actor=actor, user_id=session.user_id, session_id=session_id
            )

    await env.store.write(change)
    await sequence(env)
