"""How a node ends: told once it leaves in good order, and a balancer has the time to notice.

    told                    what it does
    ----                    ------------
    SIGTERM                 says that it is not ready and closes connections behind their answers; serves on for
                            DRAIN seconds, then ends
    SIGINT                  ends
    a second time           ends; whatever then goes on is cut off (not in a worker: its parent sees to that)

To end is to take no connections any more, answer the guards that wait for news, and finish the requests that run.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

from jotgate.server.app import Application

TOLD_BY = (signal.SIGTERM, signal.SIGINT)
FINISH_SECONDS = 5  # that running requests have at the end


@dataclass(frozen=True, slots=True)
class Ending:
    """Of this application, after so many seconds of draining."""

    issuer: Application
    drain_seconds: int = 0

    def listen(self, stop: Callable[[], None], at_once: Callable[[], None] | None = None) -> None:
        """Call `stop` when the server is to end, `at_once` when it was told twice; without it that changes nothing."""
        loop = asyncio.get_running_loop()
        told: list[int] = []

        def end() -> None:
            stop()
            self.issuer.drain()

        def tell(number: int) -> None:
            self.issuer.retire()
            if number == signal.SIGINT:
                end()
            elif not told:
                loop.call_later(self.drain_seconds, end)
            if told and at_once:
                end()
                at_once()
            told.append(number)

        for number in TOLD_BY:
            loop.add_signal_handler(number, tell, number)
