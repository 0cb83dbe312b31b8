"""Flows at the same time on PostgreSQL, where many write at once: what must not cross waits for a row's lock.

Where one test holds a lock itself, it fails as soon as the flow does not ask for that lock any more.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from jotgate.errors import Invalid, JotgateError, LoginError, NotFound
from jotgate.flows import keys, logout, refresh, roles, secret, sessions, setup, users, vault
from jotgate.store import keys as stored_keys
from jotgate.store import roles as stored_roles
from jotgate.store import sessions as stored_sessions
from jotgate.store import users as stored_users
from jotgate.store.ports import Tx
from tests.flows.world import HOME, PASSWORD, World, open_world
from tests.servers.postgres import fresh_database
from tests.store.rows import session

pytestmark = pytest.mark.anyio

NEW = "eleven herons in the reeds"
ROUNDS = 15


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_world(fresh_database()) as opened:
        yield opened


async def waits(task: asyncio.Task[object]) -> bool:
    await asyncio.sleep(0.25)
    return not task.done()


# --- a login, and what changes its user at the same time


async def change_password(tx: Tx, user_id: str) -> None:
    await stored_users.set_password(tx, user_id, "$another")


async def disable(tx: Tx, user_id: str) -> None:
    await stored_users.set_disabled(tx, user_id, 1)


async def remove(tx: Tx, user_id: str) -> None:
    await stored_users.remove(tx, user_id)


@pytest.mark.parametrize("change", [change_password, disable, remove])
async def test_a_login_waits_for_who_changes_its_user_and_then_is_refused(
    world: World, change: Callable[[Tx, str], Awaitable[None]]
) -> None:
    user = await world.add()
    async with world.env.store.begin() as tx:
        await change(tx, user.id)
        login = asyncio.create_task(world.login())
        assert await waits(login)

    with pytest.raises(LoginError):
        await login
    assert await world.count("sessions") == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda env, who: users.set_password(env, who, current=PASSWORD, new=NEW, keep_session=None, origin=HOME),
        lambda env, who: users.reset_password(env, who, NEW),
        users.disable,
        users.remove,
    ],
    ids=["password", "reset", "disable", "remove"],
)
async def test_who_changes_a_user_waits_for_the_login_and_closes_its_session(
    world: World, change: Callable[..., Awaitable[None]]
) -> None:
    user = await world.add()
    async with world.env.store.begin() as tx:
        assert await stored_sessions.open(tx, session(user_id=user.id), password_hash=user.password_hash)
        changing = asyncio.ensure_future(change(world.env, user.id))
        assert await waits(changing)

    await changing
    found = await stored_sessions.by_id(world.env.store.read(), session().id)
    assert found is None or found.closed_at is not None
    assert await world.is_told("sid", session().id)


async def test_an_upgraded_hash_never_undoes_a_new_password(world: World) -> None:
    user = await world.add()
    async with world.env.store.begin() as tx:
        await change_password(tx, user.id)
        upgrade = asyncio.create_task(
            world.env.store.write(
                lambda tx: stored_users.set_password(tx, user.id, "$better", instead_of=user.password_hash)
            )
        )
        assert await waits(upgrade)

    assert await upgrade is False
    assert (await users.get(world.env, user.id)).password_hash == "$another"


# --- roles: who has them and what they give


@pytest.mark.parametrize(
    "change",
    [
        lambda env, who: users.set_roles(env, who, ["manager"]),
        lambda env, who: users.add(env, email="bob@example.com", roles=["manager"]),
        users.remove,
        lambda env, who: roles.set_role(env, "manager", ["payments:read"]),
        lambda env, who: roles.remove_role(env, "clerk"),
    ],
    ids=["grant", "add", "remove", "define", "forget"],
)
async def test_who_changes_roles_or_who_has_them_waits_for_others_who_do(
    world: World, change: Callable[..., Awaitable[object]]
) -> None:
    user = await world.add(roles=["clerk"])
    await roles.set_role(world.env, "clerk", ["members:read"])
    async with world.env.store.begin() as tx:
        await stored_roles.one_by_one(tx)
        changing = asyncio.ensure_future(change(world.env, user.id))
        assert await waits(changing)

    await changing


async def test_nobody_who_is_removed_keeps_a_role(world: World) -> None:
    for number in range(ROUNDS):
        user = await world.add(f"user-{number}@example.com", password=None)

        results = await asyncio.gather(
            users.set_roles(world.env, user.id, ["admin"]), users.remove(world.env, user.id), return_exceptions=True
        )

        assert {type(one) for one in results if isinstance(one, BaseException)} <= {NotFound}
        assert await stored_roles.holders(world.env.store.read(), "admin") == ()


# --- the set-up link


async def test_of_links_that_are_made_at_once_one_works(world: World) -> None:
    for _ in range(ROUNDS):
        await asyncio.gather(*(setup.make(world.env) for _ in range(4)))

        assert await world.count("setup_links") == 1


async def test_a_link_that_is_used_by_many_at_once_makes_one_administrator(world: World) -> None:
    token = await setup.make(world.env)

    made = await asyncio.gather(
        *(setup.use(world.env, token, email=f"{name}@example.com", password=NEW) for name in "ab"),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in made) == ["Invalid", "User"]
    assert await world.count("users") == 1
    with pytest.raises(Invalid):
        await setup.use(world.env, token, email="e@example.com", password=NEW)


# --- sessions


async def test_of_a_logout_and_refreshes_at_the_same_time_nothing_survives(world: World) -> None:
    await world.add()
    for _ in range(ROUNDS):
        pair = await world.login()
        assert pair.refresh_token

        results = await asyncio.gather(
            *(world.refresh(pair) for _ in range(3)),
            logout.logout(world.env, refresh_token=pair.refresh_token),
            *(world.refresh(pair) for _ in range(3)),
            return_exceptions=True,
        )

        given = [one.refresh_token for one in results if one and not isinstance(one, BaseException)]
        assert len(set(given)) <= 1
        for token in {pair.refresh_token, *given} - {None}:
            with pytest.raises(JotgateError):
                await refresh.refresh(world.env, str(token), origin=HOME)
        assert await world.is_told("sid", str(world.claims(pair).sid))


async def test_a_session_that_many_end_at_once_is_told_once(world: World) -> None:
    user = await world.add()
    pair = await world.login()
    sid = str(world.claims(pair).sid)

    await asyncio.gather(
        *(logout.logout(world.env, refresh_token=pair.refresh_token) for _ in range(4)),
        *(logout.logout_all(world.env, user.id) for _ in range(4)),
        *(sessions.end(world.env, sid) for _ in range(4)),
        return_exceptions=True,
    )

    assert [entry.kind for entry in (await world.news()).entries] == ["sid"]


# --- keys


async def test_nodes_that_start_together_make_one_set_of_keys() -> None:
    url = fresh_database()
    async with AsyncExitStack() as stack:
        nodes = await asyncio.gather(*(stack.enter_async_context(open_world(url)) for _ in range(3)))

        stored = await keys.list_all(nodes[0].env)

        assert sorted(map(keys.state, stored)) == ["next", "signing"]
        assert await nodes[0].count("mac_keys") == 1
        assert len({node.env.keyring.current.signing.kid for node in nodes}) == 1


async def test_keys_are_opened_as_they_are_at_one_moment(world: World) -> None:
    async with world.env.store.begin() as tx:
        await stored_keys.bump(tx)
        opening = asyncio.create_task(vault.open_keys(world.env))
        assert await waits(opening)

    await opening


async def test_nodes_that_rotate_and_wrap_keys_at_once_end_with_keys_that_open() -> None:
    url = fresh_database()
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(open_world(url)) for _ in range(3)]
        for number in range(5):
            new = b"another master secret, the %d. one!" % number

            results = await asyncio.gather(
                keys.rotate(nodes[0].env, at_once=True),
                secret.rotate(nodes[1].env, new),
                keys.rotate(nodes[1].env, at_once=True),
                return_exceptions=True,
            )

            assert [one for one in results if isinstance(one, BaseException) and "secret" not in str(one)] == []
            for node in nodes:
                node.env.keyring.secrets = nodes[1].env.keyring.secrets
                await keys.load(node.env)
            states = sorted(map(keys.state, await keys.list_all(nodes[0].env)))
            assert states.count("signing") >= 1
            assert states.count("next") == 1
            assert len({node.env.keyring.current.signing.kid for node in nodes}) == 1


async def test_keys_that_are_due_are_made_once_however_many_nodes_see_it() -> None:
    url = fresh_database()
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(open_world(url)) for _ in range(3)]
        before = await stored_keys.signing(nodes[0].env.store.read())
        for node in nodes:
            node.clock.now += node.env.policy.key_interval

        await asyncio.gather(*(keys.tick(node.env) for node in nodes))
        for node in nodes:
            await keys.reload(node.env)

        after = await stored_keys.signing(nodes[0].env.store.read())
        assert len(after) == len(before) + 1
        states = [keys.state(key) for key in after]
        assert states.count("next") == 1
        assert len({node.env.keyring.current.signing.kid for node in nodes}) == 1
