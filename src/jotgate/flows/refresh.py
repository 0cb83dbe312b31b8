"""Refresh: one statement in the good case; a miss is loaded, decided by `core.rotation` and committed.

decision            what is done                                                    answer
--------            ------------                                                    ------
(the one statement) counted up                                                      the next pair
Repeat              nothing; audited when it comes from elsewhere                   the current pair again
Recover, Rotate     swapped if nobody was faster, else decided again; audited       the next pair
Replay              closed, told and audited: committed before it is raised         Replayed
Replay, but late    nothing: the database held us up, and whoever gave up waiting   Unavailable
                    for this answer has moved on with the one from another node
Refuse              nothing                                                         GrantError
"""

from dataclasses import replace
from functools import partial

from jotgate.core import rotation, throttle
from jotgate.core.model import Origin, Session, TokenPair
from jotgate.core.refresh_token import Presented, parse, seed_hash
from jotgate.core.rotation import Recover, Refuse, Repeat, Replay, Rotate
from jotgate.errors import GrantError, Replayed, Unavailable
from jotgate.flows import mint
from jotgate.flows.env import Env, sequence, tell_closed
from jotgate.store import audit, sessions
from jotgate.store.ports import Tx

_PROMPT_SECONDS = 1.0  # clients wait longer; a replay by somebody else comes again
_ATTEMPTS = 8  # a swap is lost to somebody who won it: nobody loses often


async def refresh(env: Env, token: str, *, origin: Origin, client_id: str = "jotgate") -> TokenPair:
    """The next pair of tokens, or the same one again. Raises `GrantError`, `Replayed`."""
    presented = parse(token, env.keyring.current.macs)
    asked_at = env.clock()
    now = int(asked_at)
    grant = await sessions.rotate(
        env.store.swap(),
        session_id=presented.session_id,
        generation=presented.generation,
        seed_hash=seed_hash(presented.seed),
        client_id=client_id,
        now=now,
    )
    if grant is None:
        return await _the_long_way(env, presented, origin=origin, client_id=client_id, asked_at=asked_at)
    return mint.pair(env, grant, generation=presented.generation + 1, seed=presented.seed, now=now)


async def _the_long_way(
    env: Env, presented: Presented, *, origin: Origin, client_id: str, asked_at: float
) -> TokenPair:
    now = int(asked_at)
    for _ in range(_ATTEMPTS):
        session = await sessions.by_id(env.store.read(), presented.session_id)
        decision = rotation.decide(session, presented, now=now, policy=env.policy, client_id=client_id)
        if isinstance(decision, Refuse):
            raise GrantError(decision.why)
        assert session is not None  # else it would have been refused
        if isinstance(decision, Replay):
            if env.clock() - asked_at > _PROMPT_SECONDS:
                raise Unavailable("an older token, and so late that its owner may have given this request up")
            if not await _close(env, session, origin=origin, now=now):
                raise GrantError("the session was closed meanwhile")
            raise Replayed(f"generation {presented.generation} of session {session.id} came back")
        grant = await sessions.grant(env.store.read(), session.id, now)
        if grant is None:
            raise GrantError("the session is over or its user is disabled")
        generation = await _settle(env, session, decision, now=now)
        if generation is not None:
            await _note(env, session, decision, origin=origin, now=now)
            pair = mint.pair(env, grant, generation=generation, seed=presented.seed, now=now)
            return replace(pair, decision=type(decision).__name__.lower())
    raise Unavailable("others were faster at this session every time")


async def _settle(env: Env, session: Session, decision: Repeat | Recover | Rotate, *, now: int) -> int | None:
    """The generation to mint; None: somebody was faster, decide again."""
    if isinstance(decision, Repeat):
        return session.generation
    moved = await sessions.swap(
        env.store.swap(), session, generation=decision.generation, parent=decision.parent, now=now
    )
    return decision.generation if moved else None


async def _close(env: Env, session: Session, *, origin: Origin, now: int) -> bool:
    """Durable before anything is answered; of several replays at once one does it: False to the others."""

    async def change(tx: Tx) -> bool:
        if not await sessions.close(tx, session.id, "replay", now):
            return False
        await tell_closed(env, tx, (session.id,), now=now)
        await _record(tx, event="replay", session=session, origin=origin, now=now)
        return True

    closed = await env.store.write(change)
    await sequence(env)
    return closed


async def _note(env: Env, session: Session, decision: Repeat | Recover | Rotate, *, origin: Origin, now: int) -> None:
    """What its owner, or an operator, may want to know of."""
    event = _event(session, decision, origin)
    if event is not None:
        record = partial(_record, event=event, session=session, origin=origin, now=now)
        await env.store.write(record, durable=False)


def _event(session: Session, decision: Repeat | Recover | Rotate, origin: Origin) -> str | None:
    if isinstance(decision, Rotate):
        return "refresh_rolled_forward" if decision.newer_by else None
    if _place(session.address, session.device) == _place(origin.address, origin.device):
        return None
    return "refresh_repeated_elsewhere" if isinstance(decision, Repeat) else "refresh_recovered_elsewhere"


def _place(address: str | None, device: str | None) -> tuple[str, str]:
    return throttle.network(address or ""), device or ""


async def _record(tx: Tx, *, event: str, session: Session, origin: Origin, now: int) -> None:
    await audit.append(
        tx,
        event,
        now=now,
        user_id=session.user_id,
        session_id=session.id,
        address=origin.address,
        detail=origin.device,
    )
