"""What every store keeps: the contracts that flows rely on.

Rules: nothing but the transaction is awaited inside a transaction; every statement is safe to repeat; values are text,
integers and bytes; SQL lives in the noun files beside this one (`users.py`, `sessions.py`, ...), written once, with
`?`.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from jotgate.core.throttle import Limit

Value = str | int | bytes | None
Row = tuple[Any, ...]  # of Values: which column has which type is the schema's business


class Tx(Protocol):
    """One transaction, or the store itself outside of one (each statement its own transaction)."""

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        """The first row, or None."""

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        """All rows."""

    async def run(self, sql: str, /, *args: Value) -> int:
        """Rows changed; 0 means that a swap was lost."""


class Store(Protocol):
    """A database. Raises `Unavailable` when it is away, locked, full or read-only."""

    def begin(self, *, durable: bool = True) -> AbstractAsyncContextManager[Tx]:
        """A write transaction. Leaving the block commits; with `durable` it returns once a power cut cannot undo it."""

    def read(self) -> Tx:
        """For single statements that only read, each for itself."""

    def swap(self) -> Tx:
        """For single writing statements that a power cut may undo (rotation): no block, no wait for the disk."""

    async def version(self) -> int:
        """A number that differs whenever another process may have committed since the last call."""

    async def close(self) -> None:
        """Give everything back; calling twice is fine."""


class Throttle(Protocol):
    """Counts failures, by a clock of its own that nobody sets back. Keys are bytes that do not show who is meant."""

    async def wait(self, keys: Sequence[Limit]) -> int:
        """Seconds until the next try is allowed, over all keys; 0: now."""

    async def fail(self, keys: Sequence[Limit]) -> None:
        """Count one failure against each."""
