"""Full pages of the feed, encoded once and kept for a minute: guards that start together all ask for the same ones.

Rule: only a page that has more behind it is kept. What it holds has its numbers for good; at worst an entry is still on
it that matters to nobody any more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from jotgate.flows.feed import Place

KEPT_SECONDS: Final = 60.0
PAGES: Final = 16  # of half a megabyte each; guards that start together ask for them at about the same pace


class FullPages:
    """The last few, by the place in the feed that they begin at."""

    def __init__(self) -> None:
        self._pages: dict[Place, asyncio.Future[tuple[bytes, bool]]] = {}

    async def get(self, place: Place, make: Callable[[], Awaitable[tuple[bytes, bool]]]) -> bytes:
        """The page that begins there; who asks while it is made waits for it. `make` says too whether it is full."""
        page = self._pages.get(place)
        if page is None:
            page = self._pages[place] = asyncio.ensure_future(make())
            page.add_done_callback(lambda done: self._made(place, done))
        encoded, _ = await asyncio.shield(page)  # who goes away leaves it to the others
        return encoded

    def _made(self, place: Place, page: asyncio.Future[tuple[bytes, bool]]) -> None:
        if page.cancelled() or page.exception() is not None or not page.result()[1]:
            self._pages.pop(place, None)
            return
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._pages.pop, place, None)
        while len(self._pages) > PAGES:
            del self._pages[next(iter(self._pages))]
