"""What was done by whom: kept for people, never read by a decision. Every field is bounded."""

from dataclasses import dataclass

from jotgate.store.ports import Tx

_COLUMNS = "id, at, event, actor, user_id, session_id, address, detail"
_LONGEST = 500  # characters of one field


@dataclass(frozen=True, slots=True)
class Record:
    """One line: `event` is a word such as `login`, `actor` the id of who did it or the name of a command."""

    id: int
    at: int
    event: str
    actor: str | None
    user_id: str | None
    session_id: str | None
    address: str | None
    detail: str | None


async def append(
    tx: Tx,
    event: str,
    *,
    now: int,
    actor: str | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
    address: str | None = None,
    detail: str | None = None,
) -> None:
    """One line more; fields that are too long are cut."""
    fields = (event, actor, user_id, session_id, address, detail)
    await tx.run(
        "insert into audit (at, event, actor, user_id, session_id, address, detail) values (?, ?, ?, ?, ?, ?, ?)",
        now,
        *(field and field[:_LONGEST] for field in fields),
    )


async def page(
    tx: Tx, before: int | None = None, limit: int = 100, *, user_id: str | None = None
) -> tuple[Record, ...]:
    """Newest first, those whose id lies below `before`; of one user, or of all."""
    where = "id < ?" if user_id is None else "id < ? and user_id = ?"
    args = (2**62 if before is None else before, *(() if user_id is None else (user_id,)))
    rows = await tx.all(f"select {_COLUMNS} from audit where {where} order by id desc limit ?", *args, limit)
    return tuple(Record(*row) for row in rows)


async def sweep(tx: Tx, before: int, limit: int = 1000) -> int:
    """Forget up to `limit` lines from before an instant, oldest first; how many went."""
    sql = "delete from audit where id in (select id from audit where at < ? order by id limit ?)"
    return await tx.run(sql, before, limit)
