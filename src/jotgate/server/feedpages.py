"""Full pages of the feed, encoded and kept for a minute: guards that start together all ask for the same ones.

Rule: only a page that has more behind it is kept. What it holds has its numbers for good; at worst an entry is still on
it that matters to nobody any more.
"""

import asyncio
from typing import Final

from jotgate.flows.feed import Place

KEPT_SECONDS: Final = 60.0
PAGES: Final = 16  # of half a megabyte each; guards that start together ask for them at about the same pace


class FullPages:
    """The last few, by the place in the feed that they begin at."""

    def __init__(self) -> None:
        self._pages: dict[Place, bytes] = {}

    def get(self, place: Place) -> bytes | None:
        """The page that begins there, or None."""
        return self._pages.get(place)

    def put(self, place: Place, page: bytes) -> None:
        """Keep it for a while."""
        if place not in self._pages:
            self._pages[place] = page
            asyncio.get_running_loop().call_later(KEPT_SECONDS, self._pages.pop, place, None)
        while len(self._pages) > PAGES:
            del self._pages[next(iter(self._pages))]
