"""Leases at rest: who does the work that one node does at a time.

A dead holder's lease ends by itself. Nodes compare its end with their own clocks: whoever takes it from another says by
how far it must be over.
"""

from jotgate.store.ports import Tx

_TAKE = """insert into leases (name, holder, until_at) values (?, ?, ?)
    on conflict (name) do update set holder = excluded.holder, until_at = excluded.until_at
    where leases.holder = excluded.holder or leases.until_at <= ?"""


async def take(tx: Tx, name: str, *, holder: str, until: int, over: int) -> bool:
    """Take the lease or keep it, up to `until`; False: it is another's, and has not ended by the instant `over`.

    In a transaction it is kept to the end of it: nobody else takes it before the commit.
    """
    return bool(await tx.run(_TAKE, name, holder, until, over))
