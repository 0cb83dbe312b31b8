"""Seeing and ending sessions."""

import pytest

from jotgate.errors import GrantError, NotFound
from jotgate.flows import sessions
from tests.flows.world import AWAY, HOME, World

pytestmark = pytest.mark.anyio


async def test_one_sees_ones_own_open_sessions_oldest_first(world: World) -> None:
    ada = await world.add()
    await world.add("bob@example.com")
    first = world.claims(await world.login(origin=HOME)).sid
    world.clock.now += 1
    second = world.claims(await world.login(origin=AWAY)).sid
    await world.login("bob@example.com")

    rows = await sessions.list_own(world.env, ada.id)

    assert [row.id for row in rows] == [first, second]
    assert [row.device for row in rows] == ["Firefox", "curl"]


async def test_one_ends_ones_own(world: World) -> None:
    ada = await world.add()
    pair = await world.login()
    sid = world.claims(pair).sid or ""

    await sessions.end(world.env, sid, user_id=ada.id)

    assert not await sessions.is_open(world.env, sid)
    assert await sessions.list_own(world.env, ada.id) == ()
    assert await world.is_told("sid", sid)
    with pytest.raises(GrantError):
        await world.refresh(pair)


async def test_somebody_elses_is_not_found_and_lives_on(world: World) -> None:
    await world.add()
    bob = await world.add("bob@example.com")
    pair = await world.login()

    with pytest.raises(NotFound):
        await sessions.end(world.env, world.claims(pair).sid or "", user_id=bob.id)

    assert await sessions.is_open(world.env, world.claims(pair).sid or "")


async def test_an_administrator_ends_anybodys_and_it_is_audited(world: World) -> None:
    await world.add()
    pair = await world.login()

    await sessions.end(world.env, world.claims(pair).sid or "", actor="root")

    assert (await world.events())[-1] == "session_ended"


async def test_what_is_over_or_not_there_is_not_found(world: World) -> None:
    await world.add()
    sid = world.claims(await world.login()).sid or ""
    await sessions.end(world.env, sid)

    for session_id in (sid, "f" * 32, ""):
        with pytest.raises(NotFound):
            await sessions.end(world.env, session_id)


@pytest.mark.parametrize(("age", "is_open"), [(14 * 86400 - 1, True), (14 * 86400, False)])
async def test_a_session_that_was_idle_for_too_long_is_not_open(world: World, age: int, *, is_open: bool) -> None:
    await world.add()
    sid = world.claims(await world.login()).sid or ""

    world.clock.now += age

    assert await sessions.is_open(world.env, sid) is is_open


async def test_an_operator_sees_everybodys(world: World) -> None:
    await world.add()
    await world.add("bob@example.com")
    sids = [world.claims(await world.login(who)).sid for who in ("ada@example.com", "bob@example.com")]

    first = await sessions.page(world.env, limit=1)
    rest = await sessions.page(world.env, after=first[0].id)

    assert {row.id for row in (*first, *rest)} == set(sids)
