"""uvicorn, for one process and for as long as nobody says stop.

When and in which order it stops is the business of `ending`.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from jotgate.cli.connection import Connection
from jotgate.cli.ending import FINISH_SECONDS, Ending
from jotgate.cli.listen import open_to_all

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


async def run_until_told(app: ASGIApp, listener: socket.socket, *, ending: Ending, ready: Callable[[], None]) -> None:
    """Serve; `ready` is called once connections are taken. Raises `StartError`."""
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
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    server = _Server(config, ready)

    def stop() -> None:
        server.should_exit = True

    def at_once() -> None:
        server.force_exit = True

    open_to_all(listener)
    ending.listen(stop, at_once)
    await server.serve(sockets=[listener])
