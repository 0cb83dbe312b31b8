"""A run: each world under load, fault after fault, until the time is over; then all look at what must be there."""

import asyncio
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from torture import disk, faults, world
from torture.faults import Kind
from torture.history import KINDS, Fault, History
from torture.lives import Crowd, lives
from torture.load import Load
from torture.recovery import seconds_until_normal
from torture.world import World

_GIVE_UP_SECONDS = 20.0  # when nothing recovers any more, the next fault comes all the same
_END_SECONDS = 60.0  # for the last look of everybody
_LOOK_SECONDS = 0.1
Opener = Callable[[Crowd, random.Random], AbstractAsyncContextManager[World]]


@dataclass(frozen=True, slots=True)
class Stage:
    """A world, its faults, and its share of the time."""

    opener: Opener
    kinds: Sequence[Kind]
    share: float


WORLDS = {
    "postgres": Stage(world.on_postgres, faults.POSTGRES, 0.7),
    "sqlite": Stage(world.on_sqlite, faults.SQLITE, 0.3),
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run is: `seconds`, and on until there were `faults`; 0 seconds: every kind of fault once.

    `quiet` are the seconds after each fault, at least.
    """

    seconds: float = 600.0
    faults: int = 100
    quiet: float = 1.5
    crowd: Crowd = field(default_factory=Crowd)

    @property
    def brief(self) -> bool:
        """Whether there is time for every fault once."""
        return not self.seconds


BRIEF = Pace(seconds=0, quiet=0.5, crowd=Crowd(refreshers=4, impatient=2, comers=2, owners=1, administrators=1))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in a world; `skipped` are kinds of faults that cannot be here, with the reason.

    `left`: clients that insisted on an answer to the end, and got none.
    """

    history: History
    deaths: tuple[str, ...]
    skipped: dict[str, str]
    left: int = 0


async def run(
    pace: Pace, *, seed: int, say: Callable[[str], None], worlds: Sequence[str] = tuple(WORLDS)
) -> list[Outcome]:
    """These worlds, one after the other."""
    whole = sum(WORLDS[name].share for name in worlds)
    return [await _world(WORLDS[name], _part(pace, WORLDS[name].share / whole), seed=seed, say=say) for name in worlds]


def _part(pace: Pace, share: float) -> Pace:
    return replace(pace, seconds=pace.seconds * share, faults=math.ceil(pace.faults * share))


async def _world(stage: Stage, pace: Pace, *, seed: int, say: Callable[[str], None]) -> Outcome:
    dice = random.Random(seed)
    skipped = _skipped(stage.kinds)
    kinds = [kind for kind in stage.kinds if kind.name not in skipped]
    async with stage.opener(pace.crowd, dice) as here:
        load = Load(here.history, here.places, here.services, here.issuer, random.Random(seed + 1))
        load.beside(load.watch_itself())
        clients = [asyncio.create_task(life) for life in lives(load, pace.crowd)]
        try:
            await _until_normal(here.history, since=time.monotonic(), quiet=pace.quiet, clients=clients)
            for kind in _in_turn(kinds, dice, pace):
                await _strike(here, kind, pace, clients=clients)
                say(_line(here.history))
            load.stopping.set()
            await asyncio.wait(clients, timeout=_END_SECONDS)
            left = sum(not client.done() for client in clients)
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
            await load.close()
        here.history.ended_at = time.monotonic()
        return Outcome(here.history, tuple(here.deaths), skipped, left)


def _in_turn(kinds: Sequence[Kind], dice: random.Random, pace: Pace) -> Iterator[Kind]:
    """All kinds, as often as they want to come, in any order; then all of them again."""
    if pace.brief:
        yield from kinds
        return
    began = time.monotonic()
    given = 0
    while True:
        deck = [kind for kind in kinds for _ in range(kind.often)]
        dice.shuffle(deck)
        for kind in deck:
            if time.monotonic() - began >= pace.seconds and given >= pace.faults:
                return
            yield kind
            given += 1


async def _strike(here: World, kind: Kind, pace: Pace, *, clients: Sequence[asyncio.Task[None]]) -> None:
    """One fault, and the time after it until service is normal."""
    shortest, longest = kind.seconds
    seconds = min(longest, 0.4) if pace.brief else here.dice.uniform(shortest, longest)
    begun_at = time.monotonic()
    async with kind.breaking(here) as detail:
        await asyncio.sleep(seconds)
    ended_at = time.monotonic()
    here.history.faults.append(Fault(kind.name, detail, begun_at, ended_at, kind.outage))
    await here.revive()
    await _until_normal(here.history, since=ended_at, quiet=pace.quiet, clients=clients)


async def _until_normal(history: History, *, since: float, quiet: float, clients: Sequence[asyncio.Task[None]]) -> None:
    """At least `quiet` seconds, and until every kind of request is served as usual."""
    first = len(history.events)
    await asyncio.sleep(quiet)
    while time.monotonic() < since + _GIVE_UP_SECONDS:
        for client in clients:
            if client.done():
                client.result()  # a client that ended is a mistake of ours: raised here
        events = sorted(
            (event for event in history.events[first:] if event.sent_at >= since), key=lambda event: event.sent_at
        )
        if seconds_until_normal(events, since=since, kinds=frozenset(KINDS)) < float("inf"):
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _skipped(kinds: Sequence[Kind]) -> dict[str, str]:
    reason = disk.can_be_slow()
    return {kind.name: reason for kind in kinds if kind.name == "slow disk" and reason}


def _line(history: History) -> str:
    fault = history.faults[-1]
    return f"{len(history.faults):4} {fault.kind} {fault.detail} {fault.ended_at - fault.begun_at:.1f} s"
