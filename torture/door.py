"""The balancer before the nodes, as guards see the issuer: it asks each node whether it is ready, and believes it.

    a node that                                   is given
    -----------                                   --------
    answers /readyz with 200 within 0.25 s        its turn of new connections
    does not, twice in a row                      none, and those that it has are ended: guards ask another at once
    takes no connection                           none; the next one is tried for the same guard

What HAProxy does with `option httpchk`, `inter 100ms fall 2`, `timeout check 250ms`, `on-marked-down shutdown-sessions`
and `option redispatch`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

from tests.live.talk import Line, NoAnswerError
from torture.link import Streams, end, linked

_EVERY_SECONDS = 0.1
_PATIENCE_SECONDS = 0.25
_FALL = 2


class Door:
    """One port for all nodes."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = 0
        self._ports = ports
        self._failures = dict.fromkeys(ports, 0)
        self._inside: dict[int, set[asyncio.Task[None]]] = {port: set() for port in ports}
        self._turns = count()

    async def open(self) -> Streams:
        """A connection to the node whose turn it is among those that are ready; where none is, among all."""
        for port in self._in_turn():
            try:
                streams = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self._note(port)
            return streams
        raise ConnectionRefusedError("no node takes connections")

    async def look_after(self, port: int) -> None:
        """Ask one node again and again."""
        while True:
            if await _is_ready(port):
                self._failures[port] = 0
            else:
                self._failures[port] += 1
                if self._failures[port] >= _FALL:
                    await end(self._inside[port])
            await asyncio.sleep(_EVERY_SECONDS)

    def _in_turn(self) -> list[int]:
        ready = [port for port in self._ports if self._failures[port] < _FALL]
        among = ready or list(self._ports)
        first = next(self._turns) % len(among)
        return among[first:] + among[:first]

    def _note(self, port: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._inside[port].add(task)
        task.add_done_callback(self._inside[port].discard)


async def _is_ready(port: int) -> bool:
    line = Line(port)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return (await line.request("GET", "/readyz")).status == 200
    except (NoAnswerError, TimeoutError):
        return False
    finally:
        await line.close()


@asynccontextmanager
async def opened(ports: Sequence[int]) -> AsyncIterator[Door]:
    """The door to the nodes on these ports."""
    door = Door(ports)
    async with linked(door.open) as outside:
        door.port = outside.port
        watches = [asyncio.create_task(door.look_after(port)) for port in ports]
        try:
            yield door
        finally:
            await end(watches)
