"""The revocation feed for its readers: pages behind a cursor, with a wait for news.

cursor                              page
------                              ----
of this feed, not beyond its head   what came after it, at once or when it comes
none, of another feed, beyond       everything that still matters, with `reset`
"""

from jotgate.errors import Malformed
from jotgate.flows.env import Env, sequence
from jotgate.store import feed
from jotgate.wire.feed import MAX_PAGE_ENTRIES, Cursor, Page, parse_cursor

__all__ = ["MAX_WAIT", "page", "sequence"]

MAX_WAIT = 25  # seconds


async def page(env: Env, cursor: str | None, wait: float = 0, *, address: str = "") -> Page:
    """The page behind `cursor`; waits up to `wait` seconds, 25 at most, for there to be something on it.

    Who finds no place to wait (they are bounded, in all and by `address`) is answered at once.
    """
    if env.feed.head < 0:  # this process has not looked yet
        await sequence(env)
    start = await _start(env, cursor)
    if start is not None and wait > 0:
        await env.feed.wait(start, min(wait, MAX_WAIT), address=address)
        start = await _start(env, cursor)
    tx = env.store.read()
    # Numbers beyond the bell's head may not be on the disk yet: a power cut would give them to other entries.
    head = env.feed.head
    rows = await feed.after(tx, start or 0, MAX_PAGE_ENTRIES + 1, int(env.clock()))
    rows = tuple((number, entry) for number, entry in rows if number <= head)
    more = len(rows) > MAX_PAGE_ENTRIES
    rows = rows[:MAX_PAGE_ENTRIES]
    reached = Cursor(await feed.incarnation(tx), rows[-1][0] if more else head)
    return Page(reached.text, more, start is None, tuple(entry for _, entry in rows))


async def _start(env: Env, text: str | None) -> int | None:
    """The number that the reader has read up to; None: it must start over."""
    try:
        cursor = parse_cursor(text or "")
    except Malformed:
        return None
    known = cursor.incarnation == await feed.incarnation(env.store.read()) and cursor.seq <= env.feed.head
    return cursor.seq if known else None
