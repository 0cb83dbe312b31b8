"""How a PostgreSQL server is set up, as far as it decides whether jotgate keeps its promises on it."""

from dataclasses import dataclass

from jotgate.store.ports import Tx


@dataclass(frozen=True, slots=True)
class State:
    """What the server says of itself; `isolation` of transactions that do not say."""

    version: str
    isolation: str
    synchronous_commit: str
    fsync: str
    read_only: bool
    clock: float  # seconds since 1970
    max_connections: int  # for clients like us
    connections: int  # that are open, of all databases


async def state(tx: Tx) -> State:
    """Ask for it. `tx` may be of single statements."""
    row = await tx.one(
        """select current_setting('server_version'), current_setting('default_transaction_isolation'),
            current_setting('synchronous_commit'), current_setting('fsync'),
            pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on',
            extract(epoch from clock_timestamp())::float8,
            current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint,
            (select count(*) from pg_stat_activity where backend_type = 'client backend')"""
    )
    return State(*(row or ()))
