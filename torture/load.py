"""What all clients have in common: whom they ask, until when, and the steps that their lives are made of."""

import asyncio
import random
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torture.caller import PATIENCE_SECONDS, Caller, Held, Place
from torture.history import History

_TICK_SECONDS = 0.05
_STALL_SECONDS = 0.2
_LOOKS = 15  # at a token that has ended
_LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Load:
    """Who asks whom, and until when."""

    history: History
    nodes: Sequence[Place]
    guards: Sequence[Place]
    issuer: str
    dice: random.Random
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _callers: list[Caller] = field(default_factory=list)
    _beside: set[asyncio.Task[None]] = field(default_factory=set)

    def caller(self, *, patience: float = PATIENCE_SECONDS) -> Caller:
        """A client of one's own."""
        one = Caller(self.history, self.nodes, self.guards, patience=patience)
        self._callers.append(one)
        return one

    def node(self) -> int:
        """Any."""
        return self.dice.randrange(len(self.nodes))

    async def pause(self, seconds: float) -> None:
        """About as long."""
        await asyncio.sleep(seconds * self.dice.uniform(0.5, 1.5))

    async def watch_itself(self) -> None:
        """Note when this process is held up: then the machine is too busy for figures in seconds."""
        while True:
            due_at = time.monotonic() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            if (late := time.monotonic() - due_at) > _STALL_SECONDS:
                self.history.stalls.append(late)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this while life goes on."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def close(self) -> None:
        """Hang up everywhere."""
        for task in tuple(self._beside):
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        for caller in self._callers:
            await caller.close()


async def log_in(load: Load, caller: Caller, user: str, number: int = 0, *, audience: str | None = None) -> Held | None:
    """Until a node has said yes or no."""
    return await caller.insist_on_tokens(partial(caller.login, user, number, audience=audience), first=load.node())


async def refresh(load: Load, caller: Caller, held: Held, *, copies: int = 1) -> Held | None:
    """So many at once, each of them until it is settled; None: one of them was refused."""
    first = load.node()
    asked = [caller.insist_on_tokens(partial(caller.refresh, held), first=first + copy) for copy in range(copies)]
    got = await asyncio.gather(*asked)
    return None if None in got else got[-1]


async def log_out(load: Load, caller: Caller, held: Held) -> None:
    """Until it is acknowledged."""
    await caller.insist(partial(caller.logout, held), first=load.node())


async def show(caller: Caller, held: Held) -> None:
    """The access token, to every guard."""
    await asyncio.gather(*(caller.guarded(held, guard) for guard in range(len(caller.guards))))


async def show_again_and_again(caller: Caller, held: Held) -> None:
    """For as long as it may take until nobody lets it in, and longer."""
    for _ in range(_LOOKS):
        await show(caller, held)
        await asyncio.sleep(_LOOK_SECONDS)
