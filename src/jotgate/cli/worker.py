"""One of several workers: a whole node, served by granian on the port that all of them listen on.

Each has its own connections to the database and its own work in the background. The kernel deals new connections out,
by their addresses; a worker that is killed takes nobody else's with it.

    a connection                                     is closed after
    ------------                                     ---------------
    no whole head of a request has come              75 s, whether it is new or was answered before
    with a request that is being served              never: bodies and answers have limits of their own

What granian cannot do: give new connections less time than kept ones, which balancers hold idle for a minute.
"""

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jotgate.assemble import application, opened
from jotgate.cli.ending import FINISH_SECONDS, Ending
from jotgate.cli.listen import BACKLOG
from jotgate.cli.workers import Place
from jotgate.errors import BadRequest
from jotgate.server.app import Application
from jotgate.server.reply import deliver, refusal
from jotgate.settings import Settings

_log = logging.getLogger("jotgate")
_HEAD_MILLISECONDS = 75_000
_HEAD_BYTES = 65_536
_OTHER_FILES = 256  # open ones that are no connections of clients
# What granian has to say goes where all of our log goes, and only what went wrong.
_LOGGING = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"handlers": [], "propagate": True}}}


@dataclass(frozen=True, slots=True)
class Address:
    """Where all workers listen: an IP address, and a port that is held for them."""

    ip: str
    port: int


async def work(settings: Settings, address: Address, place: Place) -> None:
    """Serve until told to end. Raises `StartError`."""
    if not await _work(settings, address, place):
        _log.warning("requests were cut off: they did not finish within %d s", FINISH_SECONDS)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # an orderly way out would answer them with a 500


async def _work(settings: Settings, address: Address, place: Place) -> bool:
    """Whether every request was finished."""
    async with opened(settings) as env:
        issuer = application(settings, env)
        await issuer.start()
        gc.collect()
        gc.freeze()  # what the start made stays to the end: no collection needs to look at it
        try:
            return await _serve(issuer, address, place, drain_seconds=settings.drain)
        finally:
            await issuer.stop()


def answering(app: ASGIApp) -> ASGIApp:
    """`app`; where it says nothing because the body broke off, 400 instead of the 500 that granian would answer."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        silent = True

        async def noted(message: Message) -> None:
            nonlocal silent
            silent = False
            await send(message)

        await app(scope, receive, noted)
        if silent:
            await deliver(refusal(BadRequest("the body broke off")), send, ())

    return answered


async def _serve(issuer: Application, address: Address, place: Place, *, drain_seconds: int) -> bool:
    loop = asyncio.get_running_loop()
    server = _server(issuer, address)
    told = asyncio.Event()

    def stop() -> None:
        server.stop()  # type: ignore[no-untyped-call]  # granian's signature
        told.set()

    # The hook comes right before the task that listens: two rounds of the loop later it does.
    server.on_startup(lambda: loop.call_soon(loop.call_soon, place.say_ready))
    Ending(issuer, drain_seconds).listen(stop)
    loop.add_reader(place.lifeline, _orphaned, loop, place.lifeline)
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await asyncio.wait((serving,), timeout=FINISH_SECONDS)
    return serving.done()


def _server(issuer: Application, address: Address) -> Server:
    return Server(
        answering(issuer),
        address=address.ip,
        port=address.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=_connections(),
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_MILLISECONDS, max_buffer_size=_HEAD_BYTES),
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    )


def _connections() -> int:
    """As many as there may be open files, but for some that are needed for other things."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(files - _OTHER_FILES, _OTHER_FILES)


def _orphaned(loop: asyncio.AbstractEventLoop, lifeline: int) -> None:
    loop.remove_reader(lifeline)
    with suppress(OSError):
        os.kill(os.getpid(), signal.SIGINT)
