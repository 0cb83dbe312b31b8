"""A line to NATS that is kept for ever: to one server after the other, and again when it is lost.

    server                        what is done
    --------------------------    -------------------------------------------------------
    nats://HOST:PORT              plain, or TLS where the server asks for it
    tls://HOST:PORT               TLS, or nobody is told a password
    USER:PASSWORD@, or TOKEN@     percent-encoded, where it has to be

Needs nats-py: whoever uses NATS imports this file, and nobody else does. Each line is a client of its own, for one
server: when to connect again is decided here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import cycle
from random import SystemRandom
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

import nats.errors
from nats.aio.client import Client

from jotgate.errors import Unavailable

CONNECT_SECONDS: Final = 3
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0)  # before the next try
_PING_SECONDS: Final = 2  # a server that hangs is left after two of them
_CLOSE_SECONDS: Final = 1.0
_PENDING_BYTES: Final = 1 << 20
_dice: Final = SystemRandom()

Work = Callable[[Client], Awaitable[None]]


async def keep(servers: Sequence[str], *, name: str, work: Work, trouble: Callable[[str], None]) -> None:
    """Do `work` on a line, and anew on the next one when it is lost or the work raises `Unavailable`.

    `trouble` is called with the reason, also for what a line survives.
    """
    turns = cycle(_dice.sample(servers, len(servers)))
    failures = 0
    while True:
        line = Line(urlsplit(next(turns)), name=name, trouble=trouble)
        try:
            await line.do(work)
        except Unavailable as error:
            trouble(error.detail)
            failures = 0 if line.was_open else failures + 1
            pause = _PAUSES[min(failures, len(_PAUSES) - 1)] if error.retry_after <= 1 else error.retry_after
            await asyncio.sleep(pause * (0.5 + _dice.random() / 2))


class Line:
    """One connection."""

    def __init__(self, server: SplitResult, *, name: str, trouble: Callable[[str], None]) -> None:
        self._server = server
        self._name = name
        self._trouble = trouble
        self._gone = asyncio.Event()
        self._said = ""  # what was wrong last
        self._client = _Client(must_have_tls=server.scheme == "tls")
        self.was_open = False

    async def do(self, work: Work) -> None:
        """Connect, and work until the connection is lost. Raises `Unavailable` with the reason, sooner or later."""
        try:
            await self._connect()
            self.was_open = True
            await self._until_gone(work)
        except Unavailable:
            raise
        except Exception as error:  # of a library and what it uses: whatever it is, the next line may work
            raise Unavailable(self._said or _reason(error)) from error
        finally:
            await self._hang_up()

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            await self._client.connect(
                f"{self._server.scheme}://{self._server.netloc.rpartition('@')[2]}",
                name=self._name,
                error_cb=self._told,
                closed_cb=self._closed,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_SECONDS,
                ping_interval=_PING_SECONDS,
                max_outstanding_pings=1,
                pending_size=_PENDING_BYTES,
                flush_timeout=_CLOSE_SECONDS,
                no_echo=True,
                **_credentials(self._server),
            )

    async def _until_gone(self, work: Work) -> None:
        working, gone = asyncio.ensure_future(work(self._client)), asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            working.cancel()
            gone.cancel()
            await asyncio.gather(working, gone, return_exceptions=True)
        raise Unavailable(f"the connection was lost: {self._said or 'it was closed'}")

    async def _hang_up(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._client.close()
        self._client.abort()

    async def _told(self, error: Exception) -> None:
        self._said = _reason(error)
        self._trouble(self._said)

    async def _closed(self) -> None:
        self._gone.set()


class _Client(Client):
    """It refuses a server without TLS before anything is said, and can hang up on one that takes nothing any more."""

    def __init__(self, *, must_have_tls: bool) -> None:
        super().__init__()
        self._must_have_tls = must_have_tls

    def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> Any:  # noqa: FBT001, FBT002  # as there
        if self._must_have_tls and initial_connection and not info.get("tls_required"):
            raise nats.errors.Error("nats: the server has no TLS, and its URL is tls://")
        return super()._process_info(info, initial_connection)

    def abort(self) -> None:
        """Let go of the connection, whatever waits to be sent."""
        writer: asyncio.StreamWriter | None = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()


def _credentials(server: SplitResult) -> dict[str, Any]:
    if server.username is None:
        return {}
    if server.password is None:
        return {"token": unquote(server.username)}
    return {"user": unquote(server.username), "password": unquote(server.password)}


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
