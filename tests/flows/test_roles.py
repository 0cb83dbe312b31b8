"""Roles: what is allowed, who is told."""

import pytest

from jotgate.errors import Invalid, NotFound, Refused
from jotgate.flows import roles
from tests.flows.world import World

pytestmark = pytest.mark.anyio


async def test_a_new_database_has_the_role_admin(world: World) -> None:
    found = await roles.list_all(world.env)

    assert [(role.name, role.permissions) for role in found] == [("admin", ("jotgate:admin",))]


async def test_a_role_holds_its_permissions_sorted_and_once(world: World) -> None:
    role = await roles.set_role(world.env, "manager", ["b", "a", "b"])

    assert role.permissions == ("a", "b")
    assert role in await roles.list_all(world.env)


async def test_a_change_makes_the_tokens_of_its_holders_stale_and_nobody_elses(world: World) -> None:
    ada = await world.add(roles=["manager"])
    bob = await world.add("bob@example.com", roles=["member"])
    pair = await world.login()

    await roles.set_role(world.env, "manager", ["payments:read"])

    entries = (await world.news()).entries
    assert [entry.kind for entry in entries] == ["sub"]
    assert (entries[0].epoch or 0) > (world.claims(pair).epoch or 0)
    assert await world.is_told("sub", ada.id)
    assert not await world.is_told("sub", bob.id)
    assert world.claims(await world.refresh(pair)).epoch == entries[0].epoch


async def test_a_change_within_the_same_second_raises_the_epoch_again(world: World) -> None:
    await world.add(roles=["manager"])
    epochs = []

    for permissions in (["a"], ["b"], ["c"]):
        await roles.set_role(world.env, "manager", permissions)
        epochs.append(world.claims(await world.login()).epoch or 0)

    assert epochs == [epochs[0], epochs[0] + 1, epochs[0] + 2]


async def test_the_same_again_changes_nothing(world: World) -> None:
    await world.add(roles=["manager"])
    await roles.set_role(world.env, "manager", ["a"])
    before = (await world.news(), await world.events())

    await roles.set_role(world.env, "manager", ["a"])

    assert (await world.news(), await world.events()) == before


async def test_a_role_that_is_removed_is_taken_from_everybody(world: World) -> None:
    ada = await world.add(roles=["manager"])
    await roles.set_role(world.env, "manager", ["a"])
    pair = await world.login()

    await roles.remove_role(world.env, "manager")

    assert await world.is_told("sub", ada.id)
    assert world.claims(await world.refresh(pair)).roles == ()
    with pytest.raises(NotFound):
        await roles.remove_role(world.env, "manager")


async def test_nobody_is_told_of_a_role_that_was_not_there(world: World) -> None:
    await world.add(roles=["undefined"])

    with pytest.raises(NotFound):
        await roles.remove_role(world.env, "undefined")

    assert (await world.news()).entries == ()


@pytest.mark.parametrize(
    ("name", "permissions", "error"),
    [
        ("", ["a"], Invalid),
        ("two words", ["a"], Invalid),
        ("manager", ["two words"], Invalid),
        ("manager", [""], Invalid),
        ("admin", ["members:read"], Refused),
    ],
)
async def test_what_is_no_role_is_refused(
    world: World, name: str, permissions: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await roles.set_role(world.env, name, permissions)

    assert len(await roles.list_all(world.env)) == 1


async def test_admin_may_give_more_and_stays(world: World) -> None:
    await roles.set_role(world.env, "admin", ["jotgate:admin", "members:*"])

    with pytest.raises(Refused):
        await roles.remove_role(world.env, "admin")
