"""The set-up link: once, in time, and only while nobody administrates."""

import asyncio

import pytest

from jotgate.errors import IdentifierTaken, Invalid, PasswordRefused
from jotgate.flows import setup
from tests.flows.world import PASSWORD, World, open_world

pytestmark = pytest.mark.anyio


async def test_the_link_makes_an_administrator(world: World) -> None:
    assert await setup.needed(world.env)
    token = await setup.make(world.env)

    user = await setup.use(world.env, token, email="Root@Example.com", password=PASSWORD)

    assert (user.email, user.roles) == ("root@example.com", ("admin",))
    assert (await world.login("root@example.com")).scope == "jotgate:admin"
    assert not await setup.needed(world.env)
    assert await world.events() == ["set_up"]


async def test_the_administrator_can_log_in_whatever_users_log_in_by() -> None:
    async with open_world(profile="camel") as world:
        await setup.use(world.env, await setup.make(world.env), email="root@example.com", password=PASSWORD)

        assert (await world.by_username("root")).scope == "jotgate:admin"


async def test_it_works_once(world: World) -> None:
    token = await setup.make(world.env)
    await setup.use(world.env, token, email="root@example.com", password=PASSWORD)

    with pytest.raises(Invalid) as refused:
        await setup.use(world.env, token, email="eve@example.com", password=PASSWORD)

    assert refused.value.field == "token"
    assert await world.count("users") == 1


@pytest.mark.parametrize(("age", "works"), [(1799, True), (1800, False)])
async def test_it_is_too_late_on_its_second(world: World, age: int, *, works: bool) -> None:
    token = await setup.make(world.env)
    world.clock.now += age

    if works:
        await setup.use(world.env, token, email="root@example.com", password=PASSWORD)
    else:
        with pytest.raises(Invalid):
            await setup.use(world.env, token, email="root@example.com", password=PASSWORD)

    assert await world.count("users") == works


async def test_a_newer_link_voids_an_older_one(world: World) -> None:
    older = await setup.make(world.env)
    await setup.make(world.env)

    with pytest.raises(Invalid):
        await setup.use(world.env, older, email="root@example.com", password=PASSWORD)


@pytest.mark.parametrize("token", ["", "guess", "\udfff"])
async def test_a_guess_costs_no_hash(world: World, token: str) -> None:
    await setup.make(world.env)

    with pytest.raises(Invalid):
        await setup.use(world.env, token, email="root@example.com", password=PASSWORD)

    assert world.hasher.calls == []


async def test_what_is_wrong_does_not_use_the_link_up(world: World) -> None:
    await world.add("taken@example.com")
    token = await setup.make(world.env)

    with pytest.raises(Invalid):
        await setup.use(world.env, token, email="root", password=PASSWORD)
    with pytest.raises(PasswordRefused):
        await setup.use(world.env, token, email="root@example.com", password="short")
    with pytest.raises(IdentifierTaken):
        await setup.use(world.env, token, email="taken@example.com", password=PASSWORD)

    assert await setup.use(world.env, token, email="root@example.com", password=PASSWORD)


async def test_the_database_does_not_hold_the_token(world: World) -> None:
    token = await setup.make(world.env)

    row = await world.env.store.read().one("select digest from setup_links")

    assert row is not None
    assert token.encode() not in row[0]


async def test_of_two_at_once_one_makes_an_administrator(world: World) -> None:
    token = await setup.make(world.env)

    results = await asyncio.gather(
        *(setup.use(world.env, token, email=f"{name}@example.com", password=PASSWORD) for name in ("root", "eve")),
        return_exceptions=True,
    )

    assert sorted(type(result).__name__ for result in results) == ["Invalid", "User"]
    assert await world.count("users") == 1
