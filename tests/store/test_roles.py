"""Roles at rest, on every store."""

import pytest

from jotgate.core.model import Role
from jotgate.store import roles, users
from jotgate.store.ports import Store
from tests.store.rows import ADA, BOB, NOW, put_role, put_user, user

pytestmark = pytest.mark.anyio

ADMIN = Role("admin", ("jotgate:admin",))  # built in


async def test_roles_come_back_by_name(store: Store) -> None:
    await put_role(store, "member", "members:read")
    await put_role(store, "manager", "members:*", "payments:read")
    await put_role(store, "guest")

    assert await roles.all(store.read()) == (
        ADMIN,
        Role("guest", ()),
        Role("manager", ("members:*", "payments:read")),
        Role("member", ("members:read",)),
    )


async def test_putting_a_role_again_replaces_its_permissions(store: Store) -> None:
    await put_role(store, "member", "members:read")
    await put_role(store, "member", "books:read")

    assert await roles.all(store.read()) == (ADMIN, Role("member", ("books:read",)))


async def test_permissions_of_several_roles_are_joined(store: Store) -> None:
    await put_role(store, "member", "b:read", "a:read")
    await put_role(store, "manager", "b:read", "c:read")

    assert await roles.permissions(store.read(), ("member", "manager", "unheard-of")) == ("a:read", "b:read", "c:read")
    assert await roles.permissions(store.read(), ()) == ()


async def test_holders_are_users_with_the_role(store: Store) -> None:
    await put_user(store, user(BOB, disabled_at=NOW), user(ADA), user(f"{3:032x}", roles=("member",)))

    assert await roles.holders(store.read(), "manager") == (ADA, BOB)
    assert await roles.holders(store.read(), "unheard-of") == ()


async def test_a_removed_role_is_taken_from_everybody(store: Store) -> None:
    await put_role(store, "manager", "members:*")
    await put_user(store)

    async with store.begin() as tx:
        assert await roles.remove(tx, "manager")
        assert not await roles.remove(tx, "manager")

    found = await users.by_id(store.read(), ADA)
    assert found is not None
    assert found.roles == ("member",)
    assert await roles.all(store.read()) == (ADMIN,)
