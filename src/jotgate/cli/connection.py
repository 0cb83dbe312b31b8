"""Connections that nobody may hold for nothing: a request's head must come in time, and there is room for many.

    a connection                                      is closed after
    ------------                                      ---------------
    new, and no whole head of a request has come      30 s
    answered, and no whole head of the next has come  95 s; without any byte of it uvicorn closes it after 65 s
    with a request that is being served               never: bodies and answers have limits of their own

Open files are what an attacker who holds connections uses up: as many as we may have, up to 65,536, are allowed.
"""

import asyncio
import resource
from contextlib import suppress

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jotgate.cli.together import Together

HEAD_SECONDS = 30.0
_FILES = 65_536


class Connection(HttpToolsProtocol):
    """uvicorn's own, but for a deadline of every request's head, and answers that leave in one piece.

    One timer a connection, which looks whether the deadline was moved meanwhile: a timer for each request costs more.
    """

    _deadline: float | None = None  # None: a request is being served
    _timer: asyncio.TimerHandle | None = None
    transport: Together  # type: ignore[assignment]  # a transport by shape

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody came."""
        super().connection_made(Together(transport))  # type: ignore[arg-type]
        self._deadline = self.loop.time() + HEAD_SECONDS
        self._timer = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody left."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """A request has begun."""
        self._deadline = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """It was answered."""
        self.transport.flush()  # a head that no body follows
        super().on_response_complete()
        if self.cycle.response_complete:  # else the next one is being served already
            self._deadline = self.loop.time() + HEAD_SECONDS + self.timeout_keep_alive

    def _look(self) -> None:
        left = HEAD_SECONDS if self._deadline is None else self._deadline - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look)
        else:
            self.transport.abort()


def allow_many() -> None:
    """Raise this process's own limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files_for(soft, hard)
    with suppress(ValueError, OSError):  # the system may have a lower limit that it does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def files_for(soft: int, hard: int) -> int:
    """The limit that we want where these are set; never a lower one than there is."""
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    return soft if soft == resource.RLIM_INFINITY else max(soft, most)
