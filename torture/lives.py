"""The load: clients that live as real ones do, and go on until they are told to stop.

    who            does, again and again
    ---            ---------------------
    refresher      refreshes one session, at times several times at once over the nodes; shows the new access token;
                   the impatient among them ask elsewhere while the first node is still at it
    comer          logs in, shows the token, refreshes, logs out; then tries what must not work any more
    owner          has a session beside another, changes the password; then tries the other one, and the old password
    administrator  gives somebody another role; then shows the old access token, and a new one

An answer that does not come is asked for again, elsewhere. At the end everybody looks at what must be there.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from torture.caller import PATIENCE_SECONDS, Caller, Held
from torture.load import Load, log_in, log_out, refresh, show, show_again_and_again

ADMINISTRATOR = "root"
_IMPATIENCE_SECONDS = 1.5
_KEPT = 40  # sessions of a comer that are looked at once more at the end
_COPIES = (1, 1, 1, 2, 3)  # how often the same token is sent at once


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many of each."""

    refreshers: int = 8
    impatient: int = 4
    comers: int = 3
    owners: int = 2
    administrators: int = 1

    @property
    def users(self) -> tuple[str, ...]:
        """Whom they need."""
        kinds = {
            "refresher": self.refreshers,
            "impatient": self.impatient,
            "comer": self.comers,
            "owner": self.owners,
            "member": self.administrators,
        }
        return tuple(f"{kind}-{number}" for kind, many in kinds.items() for number in range(many))


def lives(load: Load, crowd: Crowd) -> list[Coroutine[Any, Any, None]]:
    """One for each."""
    named: dict[str, Callable[[Load, str], Coroutine[Any, Any, None]]] = {
        "refresher": partial(refresher, patience=PATIENCE_SECONDS),
        "impatient": partial(refresher, patience=_IMPATIENCE_SECONDS),
        "comer": comer,
        "owner": owner,
        "member": administrator,
    }
    return [named[user.partition("-")[0]](load, user) for user in crowd.users]


async def refresher(load: Load, user: str, *, patience: float) -> None:
    """One session from the beginning to the end; a new one where it was lost."""
    caller = load.caller(patience=patience)
    held: Held | None = None
    while not load.stopping.is_set():
        if held is None:
            held = await log_in(load, caller, user)
            continue
        held = await refresh(load, caller, held, copies=load.dice.choice(_COPIES))
        if held is not None and load.dice.random() < 0.3:
            await show(caller, held)
        await load.pause(0.25)
    if held is not None:
        await refresh(load, caller, held)


async def comer(load: Load, user: str) -> None:
    """Every fifth session stays open."""
    caller = load.caller()
    opened: list[Held] = []
    closed: list[Held] = []
    turn = 0
    while not load.stopping.is_set():
        held = await log_in(load, caller, user)
        for _ in range(load.dice.randrange(3)):
            held = held and await refresh(load, caller, held)
        if held is None:
            continue
        await show(caller, held)
        turn += 1
        if turn % 5 == 0 and len(opened) < _KEPT:
            opened.append(held)
            continue
        await log_out(load, caller, held)
        closed.append(held)
        load.beside(show_again_and_again(caller, held))
        await refresh(load, caller, held)
        await load.pause(0.3)
    for held in (*opened, *closed[-_KEPT:]):
        await refresh(load, caller, held)


async def owner(load: Load, user: str) -> None:
    """The one session changes the password, which ends the other."""
    caller = load.caller()
    current = newest = 0
    own: Held | None = None
    while not load.stopping.is_set():
        if own is None:
            own, current = await _whichever(load, caller, user, {current, newest})
        other = await log_in(load, caller, user, current)
        if other is None:  # a change that nobody answered was done after all
            own = None
            continue
        newest += 1
        change = partial(caller.new_password, own, current, newest)
        answer = await caller.insist(change, first=load.node())
        if answer.status == 204:
            load.beside(show_again_and_again(caller, other))
            await refresh(load, caller, other)
            await log_in(load, caller, user, current)
            current, own = newest, await refresh(load, caller, own)
        else:
            own = None
        await load.pause(0.5)
    await _whichever(load, caller, user, {current, newest})


async def _whichever(load: Load, caller: Caller, user: str, numbers: set[int]) -> tuple[Held, int]:
    """A session by that of the passwords which is the current one."""
    while True:
        for number in sorted(numbers, reverse=True):
            held = await log_in(load, caller, user, number)
            if held is not None:
                return held, number
        await load.pause(1.0)


async def administrator(load: Load, user: str) -> None:
    """Roles that only rise, of a user who refreshes."""
    caller = load.caller()
    held: Held | None = None
    ruling: Held | None = None
    number = 0
    while not load.stopping.is_set():
        ruling = ruling and await refresh(load, caller, ruling)
        ruling = ruling or await log_in(load, caller, ADMINISTRATOR, audience=load.issuer)
        held = held or await log_in(load, caller, user)
        if ruling is None or held is None:
            continue
        number += 1
        change = partial(caller.new_role, ruling, user, held.user_id, number)
        await caller.insist(change, first=load.node())
        load.beside(show_again_and_again(caller, held))
        held = await _renewed(load, caller, held)
        await load.pause(0.5)


async def _renewed(load: Load, caller: Caller, held: Held) -> Held | None:
    fresh = await refresh(load, caller, held)
    if fresh is not None:
        await show(caller, fresh)
    return fresh
