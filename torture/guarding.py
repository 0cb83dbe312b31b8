"""`python -m torture.guarding PORT OPTIONS`: a service of its own behind a real guard; every path answers 200."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from jotgate import Guard, GuardMiddleware
from tests.live.process import free_port
from tests.live.talk import Line, NoAnswerError


class Service:
    """One such process."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.port = free_port()
        command = [sys.executable, "-m", "torture.guarding", str(self.port), json.dumps(options)]
        self.process = subprocess.Popen(command)

    async def ready(self) -> None:
        """Wait until it answers."""
        line = Line(self.port)
        while True:
            try:
                await line.request("GET", "/")
            except NoAnswerError:
                assert self.process.poll() is None, f"{self.name} has ended"
                await asyncio.sleep(0.02)
            else:
                await line.close()
                return


@contextmanager
def service(name: str, **options: Any) -> Iterator[Service]:
    """A guarded service; `options` are the guard's."""
    one = Service(name, options)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()


async def _application(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _serve(port: int, options: dict[str, Any]) -> None:
    logging.getLogger("jotgate.guard").setLevel(logging.CRITICAL)  # that there are no news at times is what is wanted
    app = GuardMiddleware(_application, Guard(**options))
    uvicorn.run(app, port=port, log_level="error", lifespan="off", timeout_keep_alive=60)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), json.loads(sys.argv[2]))
