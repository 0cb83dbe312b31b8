"""Logging out: which tokens end which sessions, twice is fine, and guards are told."""

import pytest

from jotgate.errors import GrantError
from jotgate.flows import logout
from jotgate.jose import jws
from jotgate.jose.claims import read
from tests.flows.world import World, open_world

pytestmark = pytest.mark.anyio


async def test_a_refresh_token_ends_its_session_and_no_other(world: World) -> None:
    await world.add()
    ours, other = await world.login(), await world.login()

    await logout.logout(world.env, refresh_token=ours.refresh_token)

    with pytest.raises(GrantError):
        await world.refresh(ours)
    assert await world.is_told("sid", world.claims(ours).sid or "")
    assert await world.refresh(other)
    assert not await world.is_told("sid", world.claims(other).sid or "")


async def test_an_old_generation_ends_it_too(world: World) -> None:
    await world.add()
    first = await world.login()
    third = await world.refresh(await world.refresh(first))

    await logout.logout(world.env, refresh_token=first.refresh_token)

    with pytest.raises(GrantError):
        await world.refresh(third)


async def test_an_access_token_ends_its_session_even_when_expired(world: World) -> None:
    await world.add()
    pair = await world.login()
    world.clock.now += 901
    claims = read(jws.verify(pair.access_token, world.env.keyring.current.public).payload)

    await logout.logout(world.env, claims=claims)

    with pytest.raises(GrantError):
        await world.refresh(pair)


async def test_two_tokens_end_both_sessions(world: World) -> None:
    await world.add()
    one, other = await world.login(), await world.login()

    await logout.logout(world.env, refresh_token=one.refresh_token, claims=world.claims(other))

    for pair in (one, other):
        with pytest.raises(GrantError):
            await world.refresh(pair)


async def test_twice_is_fine_and_told_once(world: World) -> None:
    await world.add()
    pair = await world.login()

    for _ in range(2):
        await logout.logout(world.env, refresh_token=pair.refresh_token, claims=world.claims(pair))

    assert len((await world.news()).entries) == 1


@pytest.mark.parametrize("token", [None, "", "jgr_", "nonsense", "jgr_" + 76 * "A"])
async def test_what_is_not_ours_ends_nothing(world: World, token: str | None) -> None:
    await world.add()
    pair = await world.login()

    await logout.logout(world.env, refresh_token=token)

    assert await world.refresh(pair)
    assert (await world.news()).entries == ()


async def test_logout_all_ends_every_session_of_the_user_alone(world: World) -> None:
    ada = await world.add()
    await world.add("bob@example.com")
    hers = [await world.login() for _ in range(3)]
    his = await world.login("bob@example.com")

    await logout.logout_all(world.env, ada.id)
    await logout.logout_all(world.env, ada.id)

    for pair in hers:
        with pytest.raises(GrantError):
            await world.refresh(pair)
    assert len((await world.news()).entries) == 3
    assert await world.refresh(his)


async def test_where_there_is_no_revocation_nothing_is_told() -> None:
    async with open_world(revocation=False) as world:
        ada = await world.add()
        await world.login()

        await logout.logout_all(world.env, ada.id)

        assert (await world.news()).entries == ()
