"""Roles: what one gives changes for all who hold it at once: access tokens are stale, sessions live on."""

from collections.abc import Iterable

from jotgate.core.model import Role
from jotgate.core.roles import ADMIN_PERMISSION, ADMIN_ROLE, valid_permission, valid_role_name
from jotgate.errors import Invalid, NotFound, Refused
from jotgate.flows.env import Env, sequence, tell_changed
from jotgate.store import audit, roles
from jotgate.store.ports import Tx


async def list_all(env: Env) -> tuple[Role, ...]:
    """Every role, by name."""
    return await roles.all(env.store.read())


async def set_role(env: Env, name: str, permissions: Iterable[str], *, actor: str | None = None) -> Role:
    """Make the role, or replace what it gives. Raises `Invalid`, `Refused`."""
    role = Role(name, tuple(sorted(set(permissions))))
    _check(role)
    now = int(env.clock())

    async def change(tx: Tx) -> None:
        await roles.one_by_one(tx)
        if role in await roles.all(tx):
            return
        await roles.put(tx, role)
        await _tell_holders(env, tx, name, now=now)
        await audit.append(tx, "role_set", now=now, actor=actor, detail=f"{name}: {' '.join(role.permissions)}")

    await env.store.write(change)
    await sequence(env)
    return role


async def remove_role(env: Env, name: str, *, actor: str | None = None) -> None:
    """Take it from everybody and forget it. Raises `NotFound`, `Refused`."""
    if name == ADMIN_ROLE:
        raise Refused(f"the role {ADMIN_ROLE} is needed to administrate")
    now = int(env.clock())

    async def change(tx: Tx) -> None:
        await roles.one_by_one(tx)
        await _tell_holders(env, tx, name, now=now)
        if not await roles.remove(tx, name):
            raise NotFound("no such role")
        await audit.append(tx, "role_removed", now=now, actor=actor, detail=name)

    await env.store.write(change)
    await sequence(env)


async def _tell_holders(env: Env, tx: Tx, name: str, *, now: int) -> None:
    for user_id in await roles.holders(tx, name):
        await tell_changed(env, tx, user_id, now=now)


def _check(role: Role) -> None:
    if not valid_role_name(role.name):
        raise Invalid("a role's name is up to 64 letters, digits and _ . : -", field="name")
    if not all(map(valid_permission, role.permissions)):
        raise Invalid("a permission is up to 128 characters of printable ASCII without spaces", field="permissions")
    if role.name == ADMIN_ROLE and ADMIN_PERMISSION not in role.permissions:
        raise Refused(f"the role {ADMIN_ROLE} keeps {ADMIN_PERMISSION}")
