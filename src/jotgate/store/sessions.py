"""Sessions at rest: one row a login, one `update` a refresh.

Rows are kept by the number of their id (`core/ids.py`), and know the number of their user: among millions a refresh
finds both without an index of long texts in between.

`rotate` is the good case of a refresh in one statement: a compare-and-swap on everything that the decision table of
`core/rotation.py` asks for, which returns the facts for the new access token. A miss says nothing of the reason; the
flow then loads the session and decides.
"""

from dataclasses import replace
from functools import lru_cache

from jotgate.core import ids
from jotgate.core.model import Grant, Session
from jotgate.store.ports import Row, Tx, Value

COLUMNS = """id, user_id, client_id, audience, scope, generation, parent, seed_hash, opened_at, rotated_at, expires_at,
    idle_seconds, amr, device, address, closed_at, closed_by"""
_OPEN = "closed_at is null and expires_at > ? and rotated_at + idle_seconds > ?"
_THIS = "sessions.number = ? and sessions.id = ?"
_OF_USER = "user_number = (select users.number from users where users.id = ?)"
_ENABLED = "exists (select 1 from users where users.number = sessions.user_number and users.disabled_at is null)"
_FACTS = """sessions.id, user_id, client_id, audience, scope, opened_at, amr, expires_at, idle_seconds,
    (select epoch from users where users.number = sessions.user_number),
    (select email from users where users.number = sessions.user_number),
    (select username from users where users.number = sessions.user_number),
    (select name from users where users.number = sessions.user_number),
    (select group_concat(role, ' ') from user_roles where user_roles.user_id = sessions.user_id),
    (select group_concat(permissions, ' ') from user_roles join roles on roles.name = user_roles.role
        where user_roles.user_id = sessions.user_id)"""
ROTATE = f"""update sessions set generation = ?, parent = ?, rotated_at = ?
    where {_THIS} and generation = ? and seed_hash = ? and client_id = ? and {_OPEN} and {_ENABLED}
    returning {_FACTS}"""
_GENERATIONS = 2**32  # a refresh token has four bytes for its generation
_LAST = 2**63 - 1
_LONGEST_DEVICE, _LONGEST_ADDRESS = 200, 64  # characters


async def open(tx: Tx, session: Session, *, password_hash: str | None = None) -> Grant | None:  # noqa: A001 - read as sessions.open
    """A new session, and the facts that `rotate` gives; device and address are cut. Its id is the next free one.

    None: its user is disabled or gone meanwhile, or has not this password hash any more (None: whichever).
    """
    same = "true" if password_hash is None else "password_hash = ?"
    proof = () if password_hash is None else (password_hash,)
    row = await tx.one(
        f"""insert into sessions (user_number, number, {COLUMNS})
        select users.number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? from users
        where id = ? and disabled_at is null and {same}{tx.shared} on conflict do nothing returning {_FACTS}""",
        *values(session),
        session.user_id,
        *proof,
    )
    if row is None and await tx.one("select 1 from sessions where number = ?", ids.number(session.id)):
        return await open(tx, replace(session, id=ids.following(session.id)), password_hash=password_hash)
    return None if row is None else _grant(row)


def values(session: Session) -> tuple[Value, ...]:
    """The number, and what stands in the columns, in the order of `COLUMNS`."""
    return (
        ids.number(session.id),
        session.id,
        session.user_id,
        session.client_id,
        " ".join(session.audience),
        session.scope,
        session.generation,
        session.parent,
        session.seed_hash,
        session.opened_at,
        session.rotated_at,
        session.expires_at,
        session.idle_seconds,
        session.amr,
        session.device and session.device[:_LONGEST_DEVICE],
        session.address and session.address[:_LONGEST_ADDRESS],
        session.closed_at,
        session.closed_by,
    )


async def by_id(tx: Tx, session_id: str) -> Session | None:
    """The session, over or not."""
    row = await tx.one(f"select {COLUMNS} from sessions where {_THIS}", *_at(session_id))
    return None if row is None else _session(row)


async def rotate(
    tx: Tx, *, session_id: str, generation: int, seed_hash: bytes, client_id: str, now: int
) -> Grant | None:
    """The presented generation is the newest: count one up. None: not so, or over, or another client's: no change."""
    if generation + 1 >= _GENERATIONS:
        return None
    after = generation + 1
    row = await tx.one(ROTATE, after, generation, now, *_at(session_id), generation, seed_hash, client_id, now, now)
    return None if row is None else _grant(row)


async def swap(tx: Tx, session: Session, *, generation: int, parent: int, now: int) -> bool:
    """From the session as it was read to another generation; False when somebody was faster (Recover, roll-forward)."""
    return bool(
        await tx.run(
            f"""update sessions set generation = ?, parent = ?, rotated_at = ?
            where {_THIS} and generation = ? and parent = ? and seed_hash = ? and {_OPEN}""",
            generation,
            parent,
            now,
            *_at(session.id),
            session.generation,
            session.parent,
            session.seed_hash,
            now,
            now,
        )
    )


async def grant(tx: Tx, session_id: str, now: int) -> Grant | None:
    """The facts that `rotate` gives, without writing (Repeat); None when the session is over or its user disabled."""
    sql = f"select {_FACTS} from sessions where {_THIS} and {_OPEN} and {_ENABLED}"
    row = await tx.one(sql, *_at(session_id), now, now)
    return None if row is None else _grant(row)


async def close(tx: Tx, session_id: str, why: str, now: int) -> bool:
    """End the session; False when it was over or there is none."""
    sql = f"update sessions set closed_at = ?, closed_by = ? where {_THIS} and closed_at is null"
    return bool(await tx.run(sql, now, why, *_at(session_id)))


async def close_all(tx: Tx, user_id: str, why: str, now: int, *, except_id: str | None = None) -> tuple[str, ...]:
    """End the user's sessions, but one; the ids of those that were open."""
    rows = await tx.all(
        f"""update sessions set closed_at = ?, closed_by = ?
        where {_OF_USER} and closed_at is null and id <> ? returning id""",
        now,
        why,
        user_id,
        except_id or "",
    )
    return tuple(row[0] for row in rows)


async def of_user(tx: Tx, user_id: str, now: int, *, after: str = "", limit: int = 1000) -> tuple[Session, ...]:
    """The user's open sessions, oldest first, those whose id comes after `after`."""
    rows = await tx.all(
        f"select {COLUMNS} from sessions where {_OF_USER} and number > ? and {_OPEN} order by number limit ?",
        user_id,
        _beyond(after),
        now,
        now,
        limit,
    )
    return tuple(map(_session, rows))


async def page(tx: Tx, now: int, *, after: str = "", limit: int = 1000) -> tuple[Session, ...]:
    """Open sessions of everybody, oldest first, those whose id comes after `after`."""
    sql = f"select {COLUMNS} from sessions where number > ? and {_OPEN} order by number limit ?"
    rows = await tx.all(sql, _beyond(after), now, now, limit)
    return tuple(map(_session, rows))


async def sweep(tx: Tx, before: int, limit: int = 1000) -> int:
    """Forget up to `limit` sessions of each kind that were closed or ended before an instant; how many went."""
    closed = await tx.run(
        """delete from sessions where number in
        (select number from sessions where closed_at is not null and closed_at < ? order by closed_at limit ?)""",
        before,
        limit,
    )
    ended = await tx.run(
        """delete from sessions where number in
        (select number from sessions where expires_at < ? order by expires_at limit ?)""",
        before,
        limit,
    )
    return closed + ended


def _beyond(after: str) -> int:
    """Nothing comes after what is no identifier: whoever turns pages ends."""
    number = ids.number(after)
    return _LAST if after and number < 0 else number


def _at(session_id: str) -> tuple[int, str]:
    return ids.number(session_id), session_id


def _session(row: Row) -> Session:
    session_id, user_id, client_id, audience, *rest = row
    return Session(session_id, user_id, client_id, tuple(audience.split()), *rest)


@lru_cache(maxsize=1024)
def _words(text: str | None) -> tuple[str, ...]:
    """Sorted, each once. Users share their roles, and so the tuples."""
    return tuple(sorted(set(text.split()))) if text else ()


def _grant(row: Row) -> Grant:
    (
        session_id, user_id, client_id, audience, scope, opened_at, amr, expires_at, idle_seconds,
        epoch, email, username, name, roles, permissions,
    ) = row  # fmt: skip
    return Grant(
        session_id=session_id,
        user_id=user_id,
        client_id=client_id,
        audience=tuple(audience.split()),
        scope=scope,
        roles=_words(roles),
        permissions=_words(permissions),
        epoch=epoch,
        auth_time=opened_at,
        amr=amr,
        expires_at=expires_at,
        idle_seconds=idle_seconds,
        email=email,
        username=username,
        name=name,
    )
