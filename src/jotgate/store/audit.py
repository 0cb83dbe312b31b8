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


async def page(tx: Tx, before: int = 2**62, limit: int = 100) -> tuple[Record, ...]:
    """Newest first, those whose id lies below `before`; the last one's id leads to the next page."""
    rows = await tx.all(f"select {_COLUMNS} from audit where id < ? order by id desc limit ?", before, limit)
    return tuple(Record(*row) for row in rows)


async def sweep(tx: Tx, before: int, limit: int = 1000) -> int:
    """Of the `limit` oldest lines forget those from before an instant; how many went."""
    sql = "delete from audit where id in (select id from audit order by id limit ?) and at < ?"
    return await tx.run(sql, limit, before)
