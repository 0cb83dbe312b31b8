"""The revocation feed for its readers: pages behind a cursor, with a wait for news.

cursor                              page
------                              ----
of this feed, not beyond its head   what came after it, at once or when it comes
none, of another feed, beyond       everything that still matters, with `reset`
"""

import asyncio
from typing import Final

from jotgate.errors import Malformed, Unavailable
from jotgate.flows.env import Env, FeedBell, sequence
from jotgate.store import feed
from jotgate.wire.feed import MAX_PAGE_ENTRIES, Cursor, Entry, Page, parse_cursor

__all__ = ["MAX_WAIT", "Place", "is_far_behind", "page", "place", "sequence"]

MAX_WAIT = 25  # seconds
_STRETCH: Final = 2000  # entries that are read at once: the loop has others to serve
Place = tuple[str, int | None]  # in a feed: its incarnation, and the number read up to; None: the beginning


async def page(env: Env, cursor: str | None, wait: float = 0, *, address: str = "") -> Page:
    """The page behind `cursor`; waits up to `wait` seconds, 25 at most, for there to be something on it.

    Who finds no place to wait (they are bounded, in all and by `address`) is answered at once. Raises `Unavailable`.
    """
    if env.feed.head < 0:  # this process has not looked yet
        await sequence(env)
    if env.feed.head < 0:
        raise Unavailable("the feed cannot be read now")
    _, start = await place(env, cursor)
    if start is not None and wait > 0:
        await env.feed.wait(start, min(wait, MAX_WAIT), address=address)
        start = _start(env.feed, cursor)
    if env.feed.silent:
        raise Unavailable("nobody here knows whether there are news")
    # Numbers beyond the bell's head may not be on the disk yet: a power cut would give them to other entries.
    incarnation, head = env.feed.incarnation, env.feed.head
    durable = await _read(env, start or 0, up_to=head)
    shown, more = durable[:MAX_PAGE_ENTRIES], len(durable) > MAX_PAGE_ENTRIES
    reached = Cursor(incarnation, shown[-1][0] if more else head)
    return Page(reached.text, more, start is None, tuple(entry for _, entry in shown))


async def place(env: Env, cursor: str | None) -> Place:
    """Where the page behind `cursor` begins.

    Whose cursor is not of the feed that this process knows may have it from another node, which knows more: before
    such a reader starts over, and forgets what it was told there, this process looks again.
    """
    if _start(env.feed, cursor) is None and _parsed(cursor) is not None:
        await sequence(env)
    return env.feed.incarnation, _start(env.feed, cursor)


def is_far_behind(env: Env, place: Place) -> bool:
    """Whether there may be more after this place than a page holds."""
    return env.feed.head - (place[1] or 0) > MAX_PAGE_ENTRIES


async def _read(env: Env, after: int, *, up_to: int) -> list[tuple[int, Entry]]:
    """The numbered entries past `after`, and one more than a page holds at most."""
    now = int(env.clock())
    found: list[tuple[int, Entry]] = []
    while len(found) <= MAX_PAGE_ENTRIES:
        wanted = min(_STRETCH, MAX_PAGE_ENTRIES + 1 - len(found))
        rows = await feed.after(env.store.read(), after, wanted, now)
        found += [row for row in rows if row[0] <= up_to]
        if len(rows) < wanted or rows[-1][0] >= up_to:
            break
        after = rows[-1][0]
        await asyncio.sleep(0)
    return found


def _start(bell: FeedBell, text: str | None) -> int | None:
    """The number that the reader has read up to; None: it must start over."""
    cursor = _parsed(text)
    return cursor.seq if cursor and cursor.incarnation == bell.incarnation and cursor.seq <= bell.head else None


def _parsed(text: str | None) -> Cursor | None:
    try:
        return parse_cursor(text or "")
    except Malformed:
        return None
