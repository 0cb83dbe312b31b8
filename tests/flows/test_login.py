"""Logging in: what a success gives, that all failures are one, who must wait."""

import asyncio
from dataclasses import replace

import pytest

from jotgate.core.model import Origin, TokenPair
from jotgate.core.passwords import Argon2
from jotgate.errors import Busy, Invalid, LoginError, Throttled
from jotgate.flows import login, roles, users
from jotgate.flows.hashing import HashingPool
from jotgate.store import sessions
from jotgate.store import users as rows
from tests.flows.world import AWAY, CHEAP, HOME, ISSUER, PASSWORD, START, CountingPool, Meddler, World, open_world

pytestmark = pytest.mark.anyio


# --- what it gives


async def test_a_login_gives_both_tokens_and_opens_one_session(world: World) -> None:
    user = await world.add(username="Ada", name="Ada L", roles=["manager"])
    await roles.set_role(world.env, "manager", ["payments:read", "members:*"])

    pair = await world.login()

    claims = world.claims(pair)
    session = await sessions.by_id(world.env.store.read(), claims.sid or "")
    assert session is not None
    assert (session.user_id, session.device, session.address) == (user.id, "Firefox", "192.0.2.1")
    assert (session.opened_at, session.expires_at) == (START, START + 30 * 86400)
    assert (claims.sub, claims.roles, claims.scope) == (user.id, ("manager",), "members:* payments:read")
    assert (pair.expires_in, pair.refresh_expires_in, pair.scope) == (900, 14 * 86400, "members:* payments:read")
    assert await world.count("sessions") == 1


@pytest.mark.parametrize("typed", ["ADA@example.com", "  ada@EXAMPLE.com "])
async def test_the_identifier_is_normalised(world: World, typed: str) -> None:
    await world.add("Ada@Example.com")

    assert await world.login(typed)


async def test_a_user_name_is_an_identifier_too(world: World) -> None:
    user = await world.add(username="Ada")

    pair = await login.login(world.env, "username", "ADA", password=PASSWORD, origin=HOME)

    assert world.claims(pair).sub == user.id


async def test_the_password_is_normalised(world: World) -> None:
    await world.add(password="caf\u00e9 au lait, s'il vous plait")

    assert await world.login(password="cafe\u0301 au lait, s'il vous plait")


async def test_an_identifier_that_the_policy_does_not_know_is_invalid() -> None:
    async with open_world(profile="camel") as world:
        with pytest.raises(Invalid, match="username") as refused:
            await world.login()

    assert refused.value.field == "email"


async def test_the_scope_narrows_what_the_roles_give(world: World) -> None:
    await world.add(roles=["manager"])
    await roles.set_role(world.env, "manager", ["payments:read", "members:*"])

    pair = await world.login(scope="members:read  members:read payments:write")

    assert pair.scope == "members:read"
    assert (await world.refresh(pair)).scope == "members:read"


@pytest.mark.parametrize("scope", ['quo"te', "caf\u00e9", " ".join(f"s{number}" for number in range(101))])
async def test_a_scope_that_is_none_is_invalid(world: World, scope: str) -> None:
    await world.add()

    with pytest.raises(Invalid) as refused:
        await world.login(scope=scope)

    assert refused.value.field == "scope"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, ("gym", "pool")),
        ((), ("gym", "pool")),
        (("pool",), ("pool",)),
        (("pool", "pool"), ("pool",)),
        ((ISSUER,), (ISSUER,)),
    ],
)
async def test_the_audience_is_what_was_asked_for(asked: tuple[str, ...] | None, given: tuple[str, ...]) -> None:
    async with open_world(audience=("gym", "pool")) as world:
        await world.add()

        pair = await world.login(audience=asked)

        assert world.claims(pair, audience=given[0]).aud == given


async def test_an_audience_that_the_issuer_does_not_serve_is_invalid(world: World) -> None:
    await world.add()

    with pytest.raises(Invalid) as refused:
        await world.login(audience=("bank",))

    assert refused.value.field == "audience"


async def test_without_refresh_the_session_ends_with_the_access_token() -> None:
    async with open_world(refresh=False) as world:
        await world.add()

        pair = await world.login()

        session = await sessions.by_id(world.env.store.read(), world.claims(pair).sid or "")
        assert session is not None
        assert (pair.refresh_token, pair.refresh_expires_in) == (None, None)
        assert (session.expires_at, session.idle_seconds) == (START + 900, 900)


async def test_without_sessions_nothing_is_stored() -> None:
    async with open_world(profile="stateless") as world:
        user = await world.add(roles=["manager", "member"])
        before = {table: await world.count(table) for table in ("sessions", "feed_entries", "audit")}

        one, other = await world.login(), await world.login()

        claims = world.claims(one)
        assert one.access_token != other.access_token
        assert (claims.sid, claims.sub, one.refresh_token) == (None, user.id, None)
        assert (claims.exp - claims.iat, claims.auth_time) == (86400, START)
        assert {table: await world.count(table) for table in before} == before


# --- failures are one


async def test_unknown_disabled_and_wrong_take_the_same_way(world: World) -> None:
    await world.add("wrong@example.com")
    await world.add("nopassword@example.com", password=None)
    disabled = await world.add("disabled@example.com")
    await users.disable(world.env, disabled.id)
    errors, work = [], []

    for email, password in (
        ("unknown@example.com", PASSWORD),
        ("wrong@example.com", "not the password at all"),
        ("disabled@example.com", PASSWORD),
        ("nopassword@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("wrong@example.com", "too long " * 200),
    ):
        world.hasher.calls.clear()
        with pytest.raises(LoginError) as refused:
            await world.login(email, password=password)
        errors.append((type(refused.value), refused.value.code, refused.value.status, refused.value.description))
        work.append(tuple(world.hasher.calls))

    assert set(work) == {("verify",)}
    assert len(set(errors)) == 1


async def test_a_failure_is_counted_and_a_success_is_not(world: World) -> None:
    await world.add()
    for _ in range(20):
        await world.login()
    for _ in range(5):
        with pytest.raises(LoginError):
            await world.login(password="not the password at all")

    with pytest.raises(Throttled) as waiting:
        await world.login()

    assert waiting.value.retry_after == 5


@pytest.mark.parametrize(("after", "allowed"), [(4, False), (5, True)])
async def test_the_wait_is_over_on_its_second(world: World, after: int, *, allowed: bool) -> None:
    await world.add()
    for _ in range(5):
        with pytest.raises(LoginError):
            await world.login(password="not the password at all")
    world.clock.now += after

    if allowed:
        await world.login()
    else:
        with pytest.raises(Throttled):
            await world.login()


async def test_an_unknown_user_is_throttled_just_the_same(world: World) -> None:
    for _ in range(5):
        with pytest.raises(LoginError):
            await world.login("nobody@example.com")

    with pytest.raises(Throttled):
        await world.login("nobody@example.com")


async def test_the_owner_gets_in_from_elsewhere(world: World) -> None:
    await world.add()
    for number in range(300):
        with pytest.raises((LoginError, Throttled)):
            await world.login(password="not the password at all", origin=Origin(f"203.0.113.{number % 50}"))

    assert await world.login(origin=AWAY)


async def test_a_throttled_login_costs_no_hash(world: World) -> None:
    for _ in range(5):
        with pytest.raises(LoginError):
            await world.login("nobody@example.com")
    world.hasher.calls.clear()

    with pytest.raises(Throttled):
        await world.login("nobody@example.com")

    assert world.hasher.calls == []


@pytest.mark.parametrize("right", [0, 19])
async def test_guesses_at_once_are_no_way_around_the_throttle(world: World, right: int) -> None:
    await world.add()
    hasher = HashingPool(CHEAP, threads=1, waiting_for_each=100)
    env = replace(world.env, hasher=hasher)
    passwords = [PASSWORD if number == right else f"wrong guess number {number}" for number in range(20)]

    tries = (login.login(env, "email", "ada@example.com", password=password, origin=HOME) for password in passwords)
    answers = await asyncio.gather(*tries, return_exceptions=True)
    await hasher.close()

    assert sum(isinstance(answer, LoginError) for answer in answers) == 5
    assert isinstance(answers[right], TokenPair if right == 0 else Throttled)


async def test_a_full_queue_is_said_at_once(world: World) -> None:
    await world.add()
    tries = [asyncio.ensure_future(world.login()) for _ in range(30)]

    results = await asyncio.gather(*tries, return_exceptions=True)

    assert {type(result) for result in results} == {TokenPair, Busy}


# --- races


@pytest.mark.parametrize("profile", ["standard", "stateless"])
async def test_a_user_who_is_disabled_while_we_hash_does_not_get_in(profile: str) -> None:
    async with open_world(profile=profile) as world:
        user = await world.add()
        hasher = Meddler(lambda: users.disable(world.env, user.id))

        with pytest.raises(LoginError):
            await login.login(
                replace(world.env, hasher=hasher), "email", "ada@example.com", password=PASSWORD, origin=HOME
            )

        assert await world.count("sessions") == 0
        await hasher.close()


async def test_a_password_that_changes_while_we_hash_is_looked_at_again(world: World) -> None:
    user = await world.add()
    hasher = Meddler(lambda: users.reset_password(world.env, user.id, "another one, just as long"))

    with pytest.raises(LoginError):
        await login.login(replace(world.env, hasher=hasher), "email", "ada@example.com", password=PASSWORD, origin=HOME)

    assert hasher.calls == ["verify", "verify"]
    assert await world.count("sessions") == 0
    await hasher.close()


async def test_a_better_hash_that_appears_while_we_hash_does_no_harm(world: World) -> None:
    user = await world.add()

    async def rehash() -> None:
        async with world.env.store.begin() as tx:
            await rows.set_password(tx, user.id, await world.hasher.pool.hash(PASSWORD, ""))

    hasher = Meddler(rehash)

    pair = await login.login(
        replace(world.env, hasher=hasher), "email", "ada@example.com", password=PASSWORD, origin=HOME
    )

    assert world.claims(pair).sub == user.id
    await hasher.close()


async def test_a_user_who_never_holds_still_does_not_get_in(world: World) -> None:
    user = await world.add()
    phcs = [await world.hasher.pool.hash(PASSWORD, "") for _ in range(2)]

    async def rehash() -> None:
        async with world.env.store.begin() as tx:
            await rows.set_password(tx, user.id, phcs.pop())

    hasher = Meddler(rehash, 2)

    with pytest.raises(LoginError, match="twice"):
        await login.login(replace(world.env, hasher=hasher), "email", "ada@example.com", password=PASSWORD, origin=HOME)

    await hasher.close()


# --- better hashes


async def test_an_outdated_hash_is_made_anew_after_the_answer(world: World) -> None:
    user = await world.add()
    better = CountingPool(HashingPool(Argon2(memory_kib=16, passes=1), threads=1))

    await login.login(replace(world.env, hasher=better), "email", "ada@example.com", password=PASSWORD, origin=HOME)
    assert better.calls == ["verify", "afterwards"]
    await better.close()

    after = await users.get(world.env, user.id)
    assert after.password_hash is not None
    assert "m=16,t=1" in after.password_hash
    assert not better.outdated(after.password_hash)


async def test_a_hash_of_today_stays(world: World) -> None:
    user = await world.add()

    await world.login()
    await world.hasher.close()

    assert (await users.get(world.env, user.id)).password_hash == user.password_hash
    assert CHEAP.memory_kib == 8
