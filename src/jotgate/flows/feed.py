"""The revocation feed for its readers: pages behind a cursor, with a wait for news.

cursor                              page
------                              ----
of this feed, not beyond its head   what came after it, at once or when it comes
none, of another feed, beyond       everything that still matters, with `reset`
"""

from jotgate.errors import Malformed, Unavailable
from jotgate.flows.env import Env, FeedBell, sequence
from jotgate.store import feed
from jotgate.wire.feed import MAX_PAGE_ENTRIES, Cursor, Page, parse_cursor

__all__ = ["MAX_WAIT", "page", "sequence"]

MAX_WAIT = 25  # seconds


async def page(env: Env, cursor: str | None, wait: float = 0, *, address: str = "") -> Page:
    """The page behind `cursor`; waits up to `wait` seconds, 25 at most, for there to be something on it.

    Who finds no place to wait (they are bounded, in all and by `address`) is answered at once. Raises `Unavailable`.
    """
    if env.feed.head < 0:  # this process has not looked yet
        await sequence(env)
    if env.feed.head < 0:
        raise Unavailable("the feed cannot be read now")
    start = _start(env.feed, cursor)
    if start is not None and wait > 0:
        await env.feed.wait(start, min(wait, MAX_WAIT), address=address)
        start = _start(env.feed, cursor)
    # Numbers beyond the bell's head may not be on the disk yet: a power cut would give them to other entries.
    incarnation, head = env.feed.incarnation, env.feed.head
    rows = await feed.after(env.store.read(), start or 0, MAX_PAGE_ENTRIES + 1, int(env.clock()))
    durable = [(number, entry) for number, entry in rows if number <= head]
    shown, more = durable[:MAX_PAGE_ENTRIES], len(durable) > MAX_PAGE_ENTRIES
    reached = Cursor(incarnation, shown[-1][0] if more else head)
    return Page(reached.text, more, start is None, tuple(entry for _, entry in shown))


def _start(bell: FeedBell, text: str | None) -> int | None:
    """The number that the reader has read up to; None: it must start over."""
    try:
        cursor = parse_cursor(text or "")
    except Malformed:
        return None
    return cursor.seq if cursor.incarnation == bell.incarnation and cursor.seq <= bell.head else None
