"""PostgreSQL that finds crossings where there are none (40001, 40P01): every flow is repeated, and done once.

Triggers raise them at random, in the middle of a transaction and at its commit, on every table that flows write to.
"""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from jotgate.core.model import TokenPair
from jotgate.errors import GrantError, LoginError, NotFound
from jotgate.flows import keys, logout, roles, secret, setup, users
from jotgate.store import feed
from tests.flows.world import PASSWORD, World, open_world
from tests.servers.postgres import fresh_database

pytestmark = pytest.mark.anyio

NEW = "eleven herons in the reeds"
USERS = 6
ROTATIONS = 6
_TABLES = (
    "users", "user_roles", "roles", "sessions", "signing_keys", "mac_keys", "installation", "feed_head",
    "feed_entries", "setup_links", "audit",
)  # fmt: skip
_TROUBLE = """
create sequence injected;
create function trouble() returns trigger language plpgsql as $$ begin
    if random() < 0.06 then
        perform nextval('injected');
        if random() < 0.5 then raise exception 'injected' using errcode = '40001'; end if;
        raise exception 'injected' using errcode = '40P01';
    end if;
    return coalesce(new, old);
end $$;"""
_ON_TABLE = """
create trigger at_once before insert or update or delete on {table} for each row execute function trouble();
create constraint trigger at_the_end after insert or update or delete on {table}
    deferrable initially deferred for each row execute function trouble();"""


@pytest.fixture(params=[None, "serializable"], ids=["read-committed", "serializable"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    url = fresh_database(isolation=request.param)
    async with open_world(url) as opened:
        connection = await asyncpg.connect(url)
        await connection.execute(_TROUBLE + "".join(_ON_TABLE.format(table=table) for table in _TABLES))
        try:
            yield opened
            assert await connection.fetchval("select last_value from injected") > 10, "there was hardly any trouble"
        finally:
            await connection.close()


async def a_life(world: World, number: int) -> list[TokenPair]:
    """From the first login to the removal of the user; the tokens that must be dead at its end."""
    name = f"user-{number}@example.com"
    user = await world.add(name, roles=["clerk"])
    pair = first = await world.login(name)
    for _ in range(4):
        before, pair = pair, await world.refresh(pair)
        assert (await world.refresh(before)).refresh_token == pair.refresh_token
    other = await world.login(name)
    await logout.logout(world.env, refresh_token=other.refresh_token)
    await users.set_roles(world.env, user.id, ["clerk", "manager"])
    pair = await world.refresh(pair)
    assert world.claims(pair).roles == ("clerk", "manager")
    await users.reset_password(world.env, user.id, NEW)
    with pytest.raises(LoginError):
        await world.login(name, password=PASSWORD)
    again = await world.login(name, password=NEW)
    await users.disable(world.env, user.id)
    await users.enable(world.env, user.id)
    last = await world.login(name, password=NEW)
    await logout.logout_all(world.env, user.id)
    await users.remove(world.env, user.id)
    return [first, pair, other, again, last]


async def test_every_flow_is_done_once_however_often_it_is_repeated(world: World) -> None:
    lives = []
    for begin in range(0, USERS, 2):  # few at once: the pool that hashes has few places
        lives += await asyncio.gather(*(a_life(world, number) for number in range(begin, begin + 2)))

    for pair in (pair for life in lives for pair in life):
        with pytest.raises(GrantError):
            await world.refresh(pair)
        assert await world.is_told("sid", str(world.claims(pair).sid))
    entries = (await world.news()).entries
    numbered = await feed.after(world.env.store.read(), 0, 10_000, 0)
    assert [seq for seq, _ in numbered] == list(range(1, len(entries) + 1))
    told = [entry.digest for entry in entries if entry.kind == "sid"]
    assert len(told) == len(set(told)) == USERS * 4
    events = await world.events()
    for event in ("user_added", "roles_set", "password_set", "user_disabled", "user_enabled", "user_removed"):
        assert events.count(event) == USERS, event
    assert await world.count("users") == await world.count("user_roles") == await world.count("sessions") == 0


async def test_roles_keys_and_links_too(world: World) -> None:
    token = await setup.make(world.env)
    ada = await setup.use(world.env, token, email="ada@example.com", password=NEW)
    for number in range(ROTATIONS):
        await roles.set_role(world.env, "clerk", [f"payments:{number}"])
        await keys.rotate(world.env, at_once=True)
        await secret.rotate(world.env, b"another master secret, number %03d" % number)
    retiring = [key.kid for key in await keys.list_all(world.env) if keys.state(key) == "retiring"]
    for kid in retiring:
        await keys.revoke(world.env, kid)
        with pytest.raises(NotFound):
            await keys.revoke(world.env, kid)
    await roles.remove_role(world.env, "clerk")
    await keys.load(world.env)
    pair = await world.login(password=NEW)

    assert world.claims(pair).roles == (await users.get(world.env, ada.id)).roles == ("admin",)
    assert [role.name for role in await roles.list_all(world.env)] == ["admin"]
    states = [keys.state(key) for key in await keys.list_all(world.env)]
    assert sorted(states) == ["next", "signing"]
    assert [entry.kind for entry in (await world.news()).entries] == ["kid"] * len(retiring)
    events = await world.events()
    assert events.count("key_revoked") == len(retiring) == ROTATIONS
    for event in ("role_set", "key_rotated", "secret_rotated"):
        assert events.count(event) == ROTATIONS, event
    assert events.count("set_up") == events.count("role_removed") == 1
