"""Users at rest: e-mail address and user name each belong to one user at most; roles lie in a table of their own."""

from collections.abc import Sequence

from jotgate.core import ids
from jotgate.core.model import User
from jotgate.errors import IdentifierTaken
from jotgate.store.ports import Row, Tx

_COLUMNS = """id, email, username, name, password_hash, epoch, created_at, disabled_at,
    (select group_concat(role, ' ') from user_roles where user_id = users.id)"""
_BY_IDENTIFIER = {
    "email": f"select {_COLUMNS} from users where email = ?",
    "username": f"select {_COLUMNS} from users where username = ?",
}


async def add(tx: Tx, user: User) -> None:
    """A new user with roles. Raises `IdentifierTaken`."""
    number = ids.number(user.id)
    while not await _added(tx, number, user):
        if not await tx.one("select 1 from users where number = ?", number):
            raise IdentifierTaken("the e-mail address or user name belongs to another user")
        number += 1  # nobody is looked up by it, but sessions have it
    await _add_roles(tx, user.id, user.roles)


async def by_identifier(tx: Tx, kind: str, value: str) -> User | None:
    """`kind` is `email` or `username`; `value` is normalised."""
    row = await tx.one(_BY_IDENTIFIER[kind], value)
    return None if row is None else _user(row)


async def by_id(tx: Tx, user_id: str) -> User | None:
    """The user, disabled or not."""
    row = await tx.one(f"select {_COLUMNS} from users where id = ?", user_id)
    return None if row is None else _user(row)


async def page(tx: Tx, after: str = "", limit: int = 100) -> tuple[User, ...]:
    """Oldest first, those whose id comes after `after`; the last one's id leads to the next page."""
    rows = await tx.all(f"select {_COLUMNS} from users where id > ? order by id limit ?", after, limit)
    return tuple(map(_user, rows))


async def count(tx: Tx) -> int:
    """How many there are, disabled ones too."""
    row = await tx.one("select count(*) from users")
    return 0 if row is None else int(row[0])


async def set_password(tx: Tx, user_id: str, phc: str | None, *, instead_of: str | None = None) -> bool:
    """A new hash; with `instead_of` only while the old one is that (a better hash must not undo a new password)."""
    if instead_of is None:
        return bool(await tx.run("update users set password_hash = ? where id = ?", phc, user_id))
    sql = "update users set password_hash = ? where id = ? and password_hash = ?"
    return bool(await tx.run(sql, phc, user_id, instead_of))


async def set_roles(tx: Tx, user_id: str, roles: Sequence[str]) -> None:
    """Exactly these roles from now on."""
    await tx.run("delete from user_roles where user_id = ?", user_id)
    await _add_roles(tx, user_id, roles)


async def set_name(tx: Tx, user_id: str, name: str | None) -> bool:
    """Another name to be shown. False when there is no such user."""
    return bool(await tx.run("update users set name = ? where id = ?", name, user_id))


async def set_disabled(tx: Tx, user_id: str, disabled_at: int | None) -> bool:
    """Disabled since an instant, or None: enabled. False when there is no such user."""
    return bool(await tx.run("update users set disabled_at = ? where id = ?", disabled_at, user_id))


async def raise_epoch(tx: Tx, user_id: str, now: int) -> int | None:
    """Tokens made before carry stale claims: max(epoch + 1, now), so a restored database never falls behind."""
    row = await tx.one(
        "update users set epoch = case when epoch >= ? then epoch + 1 else ? end where id = ? returning epoch",
        now,
        now,
        user_id,
    )
    return None if row is None else int(row[0])


async def remove(tx: Tx, user_id: str) -> bool:
    """The user with roles and sessions: close the sessions before, so that the feed tells of them."""
    await tx.run("delete from user_roles where user_id = ?", user_id)
    await tx.run("delete from sessions where user_number = (select number from users where id = ?)", user_id)
    return bool(await tx.run("delete from users where id = ?", user_id))


async def _add_roles(tx: Tx, user_id: str, roles: Sequence[str]) -> None:
    for role in roles:
        await tx.run("insert into user_roles (user_id, role) values (?, ?) on conflict do nothing", user_id, role)


async def _added(tx: Tx, number: int, user: User) -> bool:
    return bool(
        await tx.run(
            """insert into users (number, id, email, username, name, password_hash, epoch, created_at, disabled_at)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing""",
            number,
            user.id,
            user.email,
            user.username,
            user.name,
            user.password_hash,
            user.epoch,
            user.created_at,
            user.disabled_at,
        )
    )


def _user(row: Row) -> User:
    user_id, email, username, name, password_hash, epoch, created_at, disabled_at, roles = row
    return User(
        id=user_id,
        email=email,
        username=username,
        name=name,
        password_hash=password_hash,
        roles=tuple(sorted(roles.split())) if roles else (),
        epoch=epoch,
        created_at=created_at,
        disabled_at=disabled_at,
    )
