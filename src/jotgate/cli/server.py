"""uvicorn, for one process and for as long as nobody says stop.

signal             answer
------             ------
SIGTERM, SIGINT    not ready any more, waiting guards are answered, running requests finish, at most 5 s
a second one       at once
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from jotgate.cli.connection import Connection

_DRAIN_SECONDS = 5
_KEEP_ALIVE_SECONDS = 65  # longer than balancers and guards keep an idle connection


class _Server(uvicorn.Server):
    """Says when it is ready; signals are ours."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._say_ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._say_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_until_told(
    app: ASGIApp, listener: socket.socket, *, drain: Callable[[], None], ready: Callable[[], None]
) -> None:
    """Serve; `ready` is called once connections are taken, `drain` when it is time to go."""
    config = uvicorn.Config(
        app,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    server = _Server(config, ready)

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True
        drain()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await server.serve(sockets=[listener])
