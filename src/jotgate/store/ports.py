"""What every store keeps: the contracts that flows rely on.

Rules: nothing but the transaction is awaited inside a transaction; every transaction may be repeated as a whole, so it
changes nothing but the database; values are text, integers and bytes; SQL lives in the noun files beside this one
(`users.py`, `sessions.py`, ...), written once, with `?`, in the subset that SQLite and PostgreSQL share.

Of transactions at the same time nothing is promised but READ COMMITTED: what must not cross takes the lock of a row
first, by an `update`, by `Tx.shared`, or by comparing and swapping.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from jotgate.core.throttle import Limit

Value = str | int | bytes | None
Row = tuple[Any, ...]  # of Values: which column has which type is the schema's business
Dialect = Literal["sqlite", "postgres"]
T = TypeVar("T")


class Tx(Protocol):
    """One transaction, or the store itself outside of one (each statement its own transaction)."""

    @property
    def shared(self) -> str:
        """What a `select` ends with whose rows must stay as they are until the commit (nothing where one writes)."""

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        """The first row, or None."""

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        """All rows."""

    async def run(self, sql: str, /, *args: Value) -> int:
        """Rows changed; 0 means that a swap was lost."""


class Store(Protocol):
    """A database. Raises `Unavailable` when it is away, locked, full or read-only."""

    @property
    def dialect(self) -> Dialect:
        """Whose schema it has."""

    def begin(self, *, durable: bool = True) -> AbstractAsyncContextManager[Tx]:
        """A write transaction, once. Leaving the block commits; with `durable` a power cut cannot undo it then."""

    async def write(self, work: Callable[[Tx], Awaitable[T]], *, durable: bool = True) -> T:
        """What `work` gives, in a write transaction; on a conflict with another one all of it is done again."""

    async def upgrade(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """As `write`, for `work` that changes the schema: without a limit of time. Raises `DatabaseUnusable`."""

    def read(self) -> Tx:
        """For single statements that only read, each for itself."""

    def swap(self) -> Tx:
        """For single writing statements that a power cut may undo (rotation): no block, no wait for the disk."""

    def keep(self) -> Tx:
        """For single writing statements that a power cut cannot undo once they have returned: no block."""

    async def version(self) -> int:
        """A number that differs whenever another process may have told news or changed keys since the last call."""

    async def tables(self) -> frozenset[str]:
        """The names of the tables that are there."""

    async def close(self) -> None:
        """Give everything back; calling twice is fine."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Entries of the feed that have just got the numbers `after` + 1 to `head`, and are committed."""

    incarnation: str
    after: int
    head: int


class Spread(Protocol):
    """A fast way for news between nodes, never the only one: losing it loses nothing but time."""

    async def run(self, heard: Callable[[], None]) -> None:
        """Connect, for ever and again; `heard` is called when another node may have news in the database."""

    def tell(self, stretch: Stretch) -> None:
        """Send soon; waits for nothing and raises nothing."""

    async def close(self) -> None:
        """Give everything back; calling twice is fine."""


class Guess(Protocol):
    """A try that counts as a failure until it is known what it was, and is known before anybody hears of it."""

    async def wrong(self) -> None:
        """It stays counted. Raises `Unavailable` where that cannot be said for sure: then nobody may hear."""

    async def right(self) -> None:
        """It is not counted any more, as far as that can be done; raises nothing."""


class Throttle(Protocol):
    """Counts failures, by a clock of its own. Keys are bytes that do not show who is meant."""

    async def wait(self, keys: Sequence[Limit]) -> int:
        """Seconds until the next try is allowed, over all keys; 0: now."""

    async def admit(self, keys: Sequence[Limit]) -> Guess:
        """Count a try against each key, before anybody hears what it was. Raises `Throttled`, and counts nothing.

        So of many at once, wherever they come in, no more are heard than the limits allow.
        """

    async def close(self) -> None:
        """Give everything back; calling twice is fine."""
