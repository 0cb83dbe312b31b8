"""Users: register, add, change, disable, remove. What takes rights away is told to the guards in the same transaction.

change                    sessions             access tokens from before
------                    --------             -------------------------
own password              the others close     of the others: dead
password by operator      all close            dead
disabled, removed         all close            dead, and stale whatever happens to the sessions
roles, name               live on              stale: a refresh brings the new claims
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from jotgate.core import identifiers, ids, passwords, throttle
from jotgate.core.model import Origin, User
from jotgate.core.roles import ADMIN_ROLE, valid_role_name
from jotgate.errors import Invalid, LoginError, NotFound, PasswordRefused, Refused, Throttled
from jotgate.flows.env import Env, sequence, tell_changed, tell_closed
from jotgate.store import audit, sessions, setup, users
from jotgate.store import roles as stored_roles
from jotgate.store.ports import Tx

_MAX_NAME = 200  # characters

# --- see


async def get(env: Env, user_id: str) -> User:
    """Raises `NotFound`."""
    return _there(await users.by_id(env.store.read(), user_id))


async def find(env: Env, text: str) -> User:
    """By e-mail address, user name or id, as an operator types it. Raises `NotFound`.

    The id first: who takes another one's id for a user name must not be mistaken for them.
    """
    tx = env.store.read()
    if user := await users.by_id(tx, text):
        return user
    try:
        if "@" in text:
            return _there(await users.by_identifier(tx, "email", identifiers.normalise_email(text)))
        return _there(await users.by_identifier(tx, "username", identifiers.normalise_username(text)))
    except Invalid:
        raise NotFound("nobody can be called that") from None


async def page(env: Env, after: str = "", limit: int = 100) -> tuple[User, ...]:
    """Oldest first; the last one's id leads to the next page."""
    return await users.page(env.store.read(), after, limit)


# --- make


async def register(
    env: Env, *, email: str | None, username: str | None, password: str, name: str | None, origin: Origin
) -> User:
    """Somebody makes an own account, without roles. Raises `Refused`, `Invalid`, `IdentifierTaken`, `Busy`."""
    if env.policy.registration != "open":
        raise Refused("registration is closed")
    network = throttle.network(origin.address)
    return await add(env, email=email, username=username, name=name, password=password, network=network)


async def add(
    env: Env,
    *,
    email: str | None = None,
    username: str | None = None,
    name: str | None = None,
    password: str | None = None,
    roles: Iterable[str] = (),
    network: str = "",
    actor: str | None = None,
) -> User:
    """A new user; without a password there is no password login. Raises `Invalid`, `IdentifierTaken`, `Busy`."""
    email, username = identifiers.for_login(email, username, login_by=env.policy.login_identifiers)
    now = int(env.clock())
    user = User(
        id=ids.new_id(int(env.clock() * 1000), env.entropy(ids.ENTROPY_BYTES)),
        email=email,
        username=username,
        name=_name(name),
        password_hash=None,
        roles=_roles(roles),
        epoch=0,
        created_at=now,
    )
    if password is not None:
        password = _acceptable(env, password, user, field="password")
        user = replace(user, password_hash=await env.hasher.hash(password, network))

    async def change(tx: Tx) -> None:
        if user.roles:
            await stored_roles.one_by_one(tx)
        await users.add(tx, user)
        await _after_roles(tx, user.roles)
        await audit.append(tx, "user_added", now=now, actor=actor, user_id=user.id, detail=" ".join(user.roles))

    await env.store.write(change)
    return user


# --- change


async def set_roles(env: Env, user_id: str, roles: Iterable[str], *, actor: str | None = None) -> User:
    """Exactly these roles from now on. Raises `NotFound`, `Invalid`."""
    wanted, now = _roles(roles), int(env.clock())

    async def change(tx: Tx) -> None:
        await stored_roles.one_by_one(tx)
        if _there(await users.by_id(tx, user_id)).roles == wanted:
            return
        await tell_changed(env, tx, user_id, now=now)
        await users.set_roles(tx, user_id, wanted)
        await _after_roles(tx, wanted)
        await audit.append(tx, "roles_set", now=now, actor=actor, user_id=user_id, detail=" ".join(wanted))

    await env.store.write(change)
    await sequence(env)
    return await get(env, user_id)


async def rename(env: Env, user_id: str, name: str | None, *, actor: str | None = None) -> User:
    """Another name to be shown. Raises `NotFound`, `Invalid`."""
    name, now = _name(name), int(env.clock())

    async def change(tx: Tx) -> None:
        if not await users.set_name(tx, user_id, name):
            raise NotFound("no such user")
        await tell_changed(env, tx, user_id, now=now)
        await audit.append(tx, "user_renamed", now=now, actor=actor, user_id=user_id)

    await env.store.write(change)
    await sequence(env)
    return await get(env, user_id)


async def disable(env: Env, user_id: str, *, actor: str | None = None) -> None:
    """No login, no refresh, no access token from now on. Raises `NotFound`."""
    now = int(env.clock())

    async def change(tx: Tx) -> None:
        user = _there(await users.by_id(tx, user_id))
        await users.set_disabled(tx, user_id, user.disabled_at or now)
        await _end_all(env, tx, user_id, why="disabled", now=now)
        await audit.append(tx, "user_disabled", now=now, actor=actor, user_id=user_id)

    await env.store.write(change)
    await sequence(env)


async def enable(env: Env, user_id: str, *, actor: str | None = None) -> None:
    """May log in again; what was closed stays closed. Raises `NotFound`."""

    async def change(tx: Tx) -> None:
        if not await users.set_disabled(tx, user_id, None):
            raise NotFound("no such user")
        await audit.append(tx, "user_enabled", now=int(env.clock()), actor=actor, user_id=user_id)

    await env.store.write(change)


async def remove(env: Env, user_id: str, *, actor: str | None = None) -> None:
    """The user with everything that is theirs, but for the audit. Raises `NotFound`."""
    now = int(env.clock())

    async def change(tx: Tx) -> None:
        await stored_roles.one_by_one(tx)  # else who gives a role at the same time gives it to nobody
        await _end_all(env, tx, user_id, why="removed", now=now)
        if not await users.remove(tx, user_id):
            raise NotFound("no such user")
        await audit.append(tx, "user_removed", now=now, actor=actor, user_id=user_id)

    await env.store.write(change)
    await sequence(env)


# --- passwords


async def set_password(
    env: Env, user_id: str, *, current: str, new: str, keep_session: str | None, origin: Origin
) -> None:
    """The user's own new password; every session but `keep_session` ends.

    Raises `LoginError` when `current` is wrong, `PasswordRefused`, `Throttled`, `Busy`, `NotFound`.
    """
    user = await get(env, user_id)
    new = _acceptable(env, new, user, field="new_password")
    network = throttle.network(origin.address)
    await _prove(env, user, current, network=network)
    await _replace_password(env, user, await env.hasher.hash(new, network), keep=keep_session, actor=user_id)


async def reset_password(env: Env, user_id: str, new: str, *, network: str = "", actor: str | None = None) -> None:
    """A new password by an operator; every session ends. Raises `PasswordRefused`, `Busy`, `NotFound`."""
    user = await get(env, user_id)
    new = _acceptable(env, new, user, field="new_password")
    await _replace_password(env, user, await env.hasher.hash(new, network), keep=None, actor=actor)


async def _prove(env: Env, user: User, current: str, *, network: str) -> None:
    """That it is the user who asks. Raises `LoginError`, `Throttled`, `Busy`."""
    limits = throttle.limits_for(f"user {user.id}", network, blind=env.keyring.blind)
    if wait := await env.throttle.wait(limits):
        raise Throttled(wait)
    try:
        current = passwords.normalised(current, policy=env.policy)
    except PasswordRefused:
        current = ""
    right = await env.hasher.verify(user.password_hash, current, network)
    guess = await env.throttle.admit(limits)  # guesses at once wait like those in a row
    if not right:
        await guess.wrong()
        raise LoginError("wrong password")
    await guess.right()


async def _replace_password(env: Env, user: User, phc: str, *, keep: str | None, actor: str | None) -> None:
    now = int(env.clock())

    async def change(tx: Tx) -> None:
        if not await users.set_password(tx, user.id, phc, instead_of=user.password_hash):
            raise LoginError("the password was changed by somebody else meanwhile")
        closed = await sessions.close_all(tx, user.id, "password", now, except_id=keep)
        await tell_closed(env, tx, closed, now=now)
        await audit.append(tx, "password_set", now=now, actor=actor, user_id=user.id)

    await env.store.write(change)
    await sequence(env)


# --- shared by the above


async def _end_all(env: Env, tx: Tx, user_id: str, *, why: str, now: int) -> None:
    await tell_changed(env, tx, user_id, now=now)  # first: it waits for the logins that are under way
    await tell_closed(env, tx, await sessions.close_all(tx, user_id, why, now), now=now)


async def _after_roles(tx: Tx, roles: tuple[str, ...]) -> None:
    if ADMIN_ROLE in roles:
        await setup.clear(tx)  # there is an administrator: the set-up link has done its work


def _there(user: User | None) -> User:
    if user is None:
        raise NotFound("no such user")
    return user


def _roles(names: Iterable[str]) -> tuple[str, ...]:
    roles = tuple(sorted(set(names)))
    if not all(map(valid_role_name, roles)):
        raise Invalid("a role's name is up to 64 letters, digits and _ . : -", field="roles")
    return roles


def _name(text: str | None) -> str | None:
    name = unicodedata.normalize("NFC", text or "").strip()
    if len(name) > _MAX_NAME or not name.isprintable():
        raise Invalid(f"a name has at most {_MAX_NAME} characters, all of them visible", field="name")
    return name or None


def _acceptable(env: Env, password: str, user: User, *, field: str) -> str:
    service = urlsplit(env.issuer).hostname
    facts = tuple(fact for fact in (user.email, user.username, user.name, service) if fact)
    try:
        return passwords.acceptable(password, policy=env.policy, facts=facts)
    except PasswordRefused as error:
        raise PasswordRefused(error.detail, field=field) from None
