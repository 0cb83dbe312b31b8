"""An application behind uvicorn with our connections, in a thread."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from jotgate.cli.connection import Connection


@contextmanager
def connected(app: ASGIApp, **options: Any) -> Iterator[int]:
    """The port; `options` are uvicorn's."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Connection, ws="none", lifespan="off", **options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()
