"""Users: what is kept of them, what a change does to their sessions and tokens."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from jotgate.core.model import TokenPair, User
from jotgate.errors import (
    GrantError,
    IdentifierTaken,
    Invalid,
    LoginError,
    NotFound,
    PasswordRefused,
    Refused,
    Throttled,
)
from jotgate.flows import setup, users
from jotgate.flows.hashing import HashingPool
from tests.flows.world import CHEAP, HOME, PASSWORD, START, Meddler, World, open_world

pytestmark = pytest.mark.anyio

NEW = "seven swans on a pond"
Change = Callable[[], Awaitable[object]]


# --- make and see


async def test_a_user_is_kept_normalised_and_hashed(world: World) -> None:
    user = await world.add("Ada@Example.com", username="ADA", name=" Ada L ", roles=["b", "a", "b"])

    assert (user.email, user.username, user.name, user.roles) == ("ada@example.com", "ada", "Ada L", ("a", "b"))
    assert (user.password_hash or "").startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert user.created_at == START
    assert await users.get(world.env, user.id) == user


async def test_without_a_password_there_is_none(world: World) -> None:
    user = await world.add(password=None)

    assert user.password_hash is None


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"email": None}, "email"),
        ({"email": "ada"}, "email"),
        ({"username": "a@b"}, "username"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"roles": ["two words"]}, "roles"),
        ({"password": "too short"}, "password"),
        ({"password": "ada@example.com"}, "password"),
        ({"password": "auth.example.com"}, "password"),
    ],
)
async def test_what_is_wrong_is_named(world: World, facts: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await world.add(**{"email": "ada@example.com", **facts})

    assert refused.value.field == field
    assert await world.count("users") == 0


@pytest.mark.parametrize("facts", [{"email": "ADA@example.com"}, {"email": "other@example.com", "username": "ada"}])
async def test_an_identifier_belongs_to_one(world: World, facts: dict[str, str]) -> None:
    await world.add(username="ada")

    with pytest.raises(IdentifierTaken):
        await world.add(**facts)


@pytest.mark.parametrize("email", ["Ada@example.com", "ada@example.com"])
async def test_where_only_user_names_log_in_the_local_part_is_one(email: str) -> None:
    async with open_world(profile="camel") as world:
        user = await world.add(email)
        other = await world.add("bob@example.com", username="robert")

        assert (user.email, user.username) == ("ada@example.com", "ada")
        assert (other.email, other.username) == ("bob@example.com", "robert")
        assert world.claims(await world.by_username("ada")).sub == user.id


async def test_where_only_addresses_log_in_a_user_name_is_not_enough() -> None:
    async with open_world(login_identifiers=("email",)) as world:
        with pytest.raises(Invalid) as refused:
            await users.add(world.env, username="ada")

        assert refused.value.field == "email"
        assert (await world.add(username=None)).username is None


async def test_registration_is_closed_unless_it_is_open(world: World) -> None:
    with pytest.raises(Refused):
        await users.register(world.env, email="a@b.c", username=None, password=PASSWORD, name=None, origin=HOME)


async def test_who_registers_has_no_roles_and_can_log_in() -> None:
    async with open_world(registration="open") as world:
        user = await users.register(
            world.env, email="ada@example.com", username="ada", password=PASSWORD, name="Ada", origin=HOME
        )

        assert user.roles == ()
        assert world.claims(await world.login()).sub == user.id


@pytest.mark.parametrize("text", ["ADA@example.com", "Ada", "id"])
async def test_an_operator_finds_a_user_by_what_they_type(world: World, text: str) -> None:
    user = await world.add(username="ada")

    assert await users.find(world.env, user.id if text == "id" else text) == user


async def test_nobody_is_found_by_an_id_that_they_took_for_a_user_name(world: World) -> None:
    victim = await world.add()
    await world.add("eve@example.com", username=victim.id.upper())

    assert await users.find(world.env, victim.id) == victim


@pytest.mark.parametrize("text", ["bob@example.com", "bob", "", "a b", "@", "f" * 32])
async def test_who_is_not_there_is_not_found(world: World, text: str) -> None:
    await world.add(username="ada")

    with pytest.raises(NotFound):
        await users.find(world.env, text)


async def test_users_are_listed_page_by_page(world: World) -> None:
    added = []
    for number in range(5):
        world.clock.now += 1
        added.append(await world.add(f"user{number}@example.com", password=None))

    first = await users.page(world.env, "", 3)
    second = await users.page(world.env, first[-1].id, 3)

    assert [*first, *second] == added


# --- change


async def test_new_roles_make_tokens_stale_and_leave_sessions_alone(world: World) -> None:
    ada = await world.add(roles=["member"])
    pair = await world.login()

    changed = await users.set_roles(world.env, ada.id, ["manager"])

    assert changed.roles == ("manager",)
    assert await world.is_told("sub", ada.id)
    assert world.claims(await world.refresh(pair)).roles == ("manager",)


async def test_the_same_roles_change_nothing(world: World) -> None:
    ada = await world.add(roles=["member"])

    assert await users.set_roles(world.env, ada.id, ["member", "member"]) == ada

    assert (await world.news()).entries == ()


async def test_another_name_makes_tokens_stale(world: World) -> None:
    ada = await world.add(name="Ada")

    assert (await users.rename(world.env, ada.id, "Ada Lovelace")).name == "Ada Lovelace"
    assert (await users.rename(world.env, ada.id, None)).name is None

    assert [entry.kind for entry in (await world.news()).entries] == ["sub", "sub"]


async def test_a_disabled_user_is_out_everywhere_and_may_come_back(world: World) -> None:
    ada = await world.add()
    pair = await world.login()

    await users.disable(world.env, ada.id)
    world.clock.now += 5
    await users.disable(world.env, ada.id)

    assert (await users.get(world.env, ada.id)).disabled_at == START
    assert await world.is_told("sid", world.claims(pair).sid or "")
    assert await world.is_told("sub", ada.id)
    with pytest.raises(LoginError):
        await world.login()

    await users.enable(world.env, ada.id)
    with pytest.raises(GrantError):
        await world.refresh(pair)
    assert world.claims(await world.login()).epoch == START + 5


async def test_a_user_who_is_removed_leaves_only_the_audit(world: World) -> None:
    ada = await world.add(roles=["member"])
    pair = await world.login()

    await users.remove(world.env, ada.id)

    assert await world.is_told("sid", world.claims(pair).sid or "")
    assert await world.is_told("sub", ada.id)
    assert (await world.count("users"), await world.count("sessions"), await world.count("user_roles")) == (0, 0, 0)
    assert await world.events() == ["user_added", "user_removed"]
    with pytest.raises(GrantError):
        await world.refresh(pair)


@pytest.mark.parametrize("change", ["get", "disable", "enable", "remove", "set_roles", "rename", "reset", "set"])
async def test_nobody_can_be_changed_who_is_not_there(world: World, change: str) -> None:
    env, nobody = world.env, "f" * 32
    changes: dict[str, Change] = {
        "get": lambda: users.get(env, nobody),
        "disable": lambda: users.disable(env, nobody),
        "enable": lambda: users.enable(env, nobody),
        "remove": lambda: users.remove(env, nobody),
        "set_roles": lambda: users.set_roles(env, nobody, ["a"]),
        "rename": lambda: users.rename(env, nobody, "A"),
        "reset": lambda: users.reset_password(env, nobody, NEW),
        "set": lambda: users.set_password(env, nobody, current=PASSWORD, new=NEW, keep_session=None, origin=HOME),
    }

    with pytest.raises(NotFound):
        await changes[change]()

    assert (await world.news()).entries == ()


async def test_an_administrator_voids_the_set_up_link(world: World) -> None:
    token = await setup.make(world.env)

    await world.add(roles=["admin"])

    with pytest.raises(Invalid):
        await setup.use(world.env, token, email="eve@example.com", password=NEW)


# --- passwords


async def change(world: World, user: User, pair: TokenPair, *, current: str = PASSWORD, new: str = NEW) -> None:
    keep = world.claims(pair).sid
    await users.set_password(world.env, user.id, current=current, new=new, keep_session=keep, origin=HOME)


async def test_ones_own_new_password_ends_every_other_session(world: World) -> None:
    ada = await world.add()
    kept, other = await world.login(), await world.login()

    await change(world, ada, kept)

    assert await world.refresh(kept)
    assert not await world.is_told("sid", world.claims(kept).sid or "")
    assert await world.is_told("sid", world.claims(other).sid or "")
    with pytest.raises(GrantError):
        await world.refresh(other)
    with pytest.raises(LoginError):
        await world.login()
    assert await world.login(password=NEW)


async def test_a_wrong_current_password_changes_nothing_and_is_counted(world: World) -> None:
    ada = await world.add()
    pair, other = await world.login(), await world.login()

    for current in ("not the password at all", "", "\0", "long " * 1000, "not this one either"):
        with pytest.raises(LoginError):
            await change(world, ada, pair, current=current)
    with pytest.raises(Throttled):
        await change(world, ada, pair)

    assert await world.refresh(other)
    assert await world.login()


async def test_current_passwords_guessed_at_once_are_counted_like_those_in_a_row(world: World) -> None:
    ada = await world.add()
    pair = await world.login()
    hasher = HashingPool(CHEAP, threads=1, waiting_for_each=100)
    at_once = replace(world, env=replace(world.env, hasher=hasher))

    guesses = (change(at_once, ada, pair, current=f"wrong guess number {number}") for number in range(20))
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    await hasher.close()

    assert sum(isinstance(answer, LoginError) for answer in answers) == 5
    assert sum(isinstance(answer, Throttled) for answer in answers) == 15


async def test_who_has_no_password_cannot_change_it(world: World) -> None:
    ada = await world.add(password=None)

    with pytest.raises(LoginError):
        await users.set_password(world.env, ada.id, current="", new=NEW, keep_session=None, origin=HOME)


async def test_a_bad_new_password_is_named_by_its_field(world: World) -> None:
    ada = await world.add()
    pair = await world.login()

    with pytest.raises(PasswordRefused) as refused:
        await change(world, ada, pair, new="short")

    assert refused.value.field == "new_password"
    assert world.hasher.calls[-1] == "verify"  # the login's; nothing was hashed for this


async def test_of_two_changes_at_once_one_wins(world: World) -> None:
    ada = await world.add()
    hasher = Meddler(lambda: users.reset_password(world.env, ada.id, "somebody was faster here"))

    with pytest.raises(LoginError, match="meanwhile"):
        await users.set_password(
            replace(world.env, hasher=hasher), ada.id, current=PASSWORD, new=NEW, keep_session=None, origin=HOME
        )

    assert await world.login(password="somebody was faster here")
    await hasher.close()


async def test_an_operators_new_password_ends_every_session(world: World) -> None:
    ada = await world.add()
    pairs = [await world.login(), await world.login()]

    await users.reset_password(world.env, ada.id, NEW, actor="root")

    for pair in pairs:
        assert await world.is_told("sid", world.claims(pair).sid or "")
        with pytest.raises(GrantError):
            await world.refresh(pair)
    assert await world.login(password=NEW)
    assert (await world.events())[-1] == "password_set"


async def test_an_operator_gives_a_first_password(world: World) -> None:
    ada = await world.add(password=None)

    await users.reset_password(world.env, ada.id, NEW)

    assert await world.login(password=NEW)
