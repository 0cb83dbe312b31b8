"""A refresh that the database holds up while its client gives up waiting and asks another node."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from jotgate.errors import Replayed, Unavailable
from jotgate.flows import refresh as flow
from jotgate.store import sessions
from jotgate.store.ports import Row, Tx, Value
from tests.flows.world import HOME, Clock, World

pytestmark = pytest.mark.anyio


@dataclass
class Slow:
    """What `swap` gives; every statement of it takes so long."""

    tx: Tx
    clock: Clock
    seconds: float
    shared: str = ""

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        self.clock.now += self.seconds
        return await self.tx.one(sql, *args)

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        self.clock.now += self.seconds
        return await self.tx.all(sql, *args)

    async def run(self, sql: str, /, *args: Value) -> int:
        self.clock.now += self.seconds
        return await self.tx.run(sql, *args)


class SlowStore:
    """The real store, whose rotations take so long."""

    def __init__(self, world: World, seconds: float) -> None:
        self._world, self._seconds = world, seconds

    def swap(self) -> Tx:
        return Slow(self._world.env.store.swap(), self._world.clock, self._seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.env.store, name)


@pytest.mark.parametrize(("seconds", "raised"), [(1.0, Replayed), (1.1, Unavailable)])
async def test_an_older_token_that_was_held_up_closes_no_session(
    world: World, seconds: float, raised: type[Exception]
) -> None:
    await world.add()
    first = await world.login()
    third = await world.refresh(await world.refresh(first))
    env = replace(world.env, store=SlowStore(world, seconds))

    with pytest.raises(raised):
        await flow.refresh(env, first.refresh_token or "", origin=HOME)

    session = await sessions.by_id(world.env.store.read(), world.claims(third).sid or "")
    assert session is not None
    assert (session.closed_at is None) is (raised is Unavailable)
