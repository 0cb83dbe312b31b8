"""Roles at rest: a name and the permissions it gives."""

from collections.abc import Sequence

from jotgate.core.model import Role
from jotgate.store.ports import Tx


async def put(tx: Tx, role: Role) -> None:
    """Make the role, or replace its permissions."""
    await tx.run(
        """insert into roles (name, permissions) values (?, ?)
        on conflict (name) do update set permissions = excluded.permissions""",
        role.name,
        " ".join(role.permissions),
    )


async def one_by_one(tx: Tx) -> None:
    """First in a transaction that changes a role or who has it: it waits for the others that do."""
    await tx.run("update installation set id = id where id = 1")


async def all(tx: Tx) -> tuple[Role, ...]:  # noqa: A001 - read as roles.all
    """Every role, by name."""
    rows = await tx.all("select name, permissions from roles order by name")
    return tuple(Role(name, tuple(permissions.split())) for name, permissions in rows)


async def remove(tx: Tx, name: str) -> bool:
    """Forget the role and take it from everybody; False when there was none."""
    await tx.run("delete from user_roles where role = ?", name)
    return bool(await tx.run("delete from roles where name = ?", name))


async def holders(tx: Tx, name: str) -> tuple[str, ...]:
    """Ids of the users who have the role, disabled ones too."""
    rows = await tx.all("select user_id from user_roles where role = ? order by user_id", name)
    return tuple(row[0] for row in rows)


async def permissions(tx: Tx, names: Sequence[str]) -> tuple[str, ...]:
    """What these roles give together, sorted; a role without a definition gives nothing."""
    given: set[str] = set()
    for name in names:
        row = await tx.one("select permissions from roles where name = ?", name)
        given.update(row[0].split() if row else ())
    return tuple(sorted(given))
