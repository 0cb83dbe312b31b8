"""Users at rest, on every store."""

import pytest

from jotgate.errors import IdentifierTaken
from jotgate.store import sessions, users
from jotgate.store.ports import Store
from tests.store.rows import ADA, BOB, BOB_AGAIN, NOW, S1, S2, put_session, put_user, session, user

pytestmark = pytest.mark.anyio


async def test_a_user_comes_back_as_added(store: Store) -> None:
    ada = user(disabled_at=NOW)
    await put_user(store, ada)

    assert await users.by_id(store.read(), ADA) == ada
    assert await users.by_identifier(store.read(), "email", "01@example.com") == ada
    assert await users.by_identifier(store.read(), "username", "user01") == ada


async def test_a_user_may_lack_all_but_one_identifier(store: Store) -> None:
    bare = user(email=None, name=None, password_hash=None, roles=())
    await put_user(store, bare)

    assert await users.by_id(store.read(), ADA) == bare


async def test_unknown_is_none(store: Store) -> None:
    assert await users.by_id(store.read(), ADA) is None
    assert await users.by_identifier(store.read(), "email", "01@example.com") is None
    assert await users.by_identifier(store.read(), "username", "user01") is None


async def test_many_may_have_no_user_name(store: Store) -> None:
    await put_user(store, user(ADA, username=None), user(BOB, username=None))

    assert await users.count(store.read()) == 2


@pytest.mark.parametrize(
    "changes", [{"email": "01@example.com"}, {"username": "user01"}, {"id": ADA, "email": "new@example.com"}]
)
async def test_an_identifier_belongs_to_one_user(store: Store, changes: dict[str, str]) -> None:
    await put_user(store)

    with pytest.raises(IdentifierTaken):
        await put_user(store, user(BOB, **changes))

    assert await users.count(store.read()) == 1
    assert await users.by_id(store.read(), BOB) is None


async def test_users_who_share_a_number_are_two(store: Store) -> None:
    twin = user(BOB_AGAIN, email="twin@example.com", username="twin", roles=())
    await put_user(store, user(BOB, roles=()), user(f"{3:032x}"), twin)
    await put_session(store, session(S1, user_id=BOB), session(S2, user_id=BOB_AGAIN))

    for session_id, name in ((S1, "user02"), (S2, "twin")):
        granted = await sessions.grant(store.read(), session_id, NOW)
        assert granted
        assert granted.username == name
    async with store.begin() as tx:
        assert await users.remove(tx, BOB)
    assert await sessions.by_id(store.read(), S1) is None
    assert await sessions.of_user(store.read(), BOB_AGAIN, NOW) == (session(S2, user_id=BOB_AGAIN),)
    with pytest.raises(IdentifierTaken):
        await put_user(store, twin)


async def test_roles_are_sorted_and_each_once(store: Store) -> None:
    await put_user(store, user(roles=("member", "admin", "member")))

    found = await users.by_id(store.read(), ADA)

    assert found is not None
    assert found.roles == ("admin", "member")


async def test_pages_follow_each_other_without_gap_or_repeat(store: Store) -> None:
    everybody = [f"{number:032x}" for number in range(7)]
    await put_user(store, *map(user, reversed(everybody)))

    first = await users.page(store.read(), limit=3)
    second = await users.page(store.read(), first[-1].id, 3)
    third = await users.page(store.read(), second[-1].id, 3)

    assert [one.id for one in (*first, *second, *third)] == everybody
    assert await users.page(store.read(), third[-1].id, 3) == ()


async def test_a_new_password_replaces_the_old_one(store: Store) -> None:
    await put_user(store)

    async with store.begin() as tx:
        assert await users.set_password(tx, ADA, "$argon2id$new")
        assert not await users.set_password(tx, BOB, "$argon2id$new")

    found = await users.by_id(store.read(), ADA)
    assert found is not None
    assert found.password_hash == "$argon2id$new"


async def test_a_better_hash_of_the_old_password_never_replaces_a_new_password(store: Store) -> None:
    await put_user(store)

    async with store.begin() as tx:
        assert await users.set_password(tx, ADA, "$argon2id$better", instead_of="$argon2id$ada")
        assert not await users.set_password(tx, ADA, "$argon2id$late", instead_of="$argon2id$ada")

    found = await users.by_id(store.read(), ADA)
    assert found is not None
    assert found.password_hash == "$argon2id$better"


async def test_roles_are_replaced_whole(store: Store) -> None:
    await put_user(store)

    async with store.begin() as tx:
        await users.set_roles(tx, ADA, ("cook",))

    found = await users.by_id(store.read(), ADA)
    assert found is not None
    assert found.roles == ("cook",)


async def test_a_name_changes_alone(store: Store) -> None:
    await put_user(store)

    async with store.begin() as tx:
        assert await users.set_name(tx, ADA, "Augusta")
        assert not await users.set_name(tx, BOB, "Augusta")

    assert await users.by_id(store.read(), ADA) == user(name="Augusta")


async def test_disabled_and_enabled_again(store: Store) -> None:
    await put_user(store)

    async with store.begin() as tx:
        assert await users.set_disabled(tx, ADA, NOW + 5)
        disabled = await users.by_id(tx, ADA)
        assert await users.set_disabled(tx, ADA, None)
        enabled = await users.by_id(tx, ADA)
        assert not await users.set_disabled(tx, BOB, NOW)

    assert disabled == user(disabled_at=NOW + 5)
    assert enabled == user()


@pytest.mark.parametrize(
    ("epoch", "now", "raised"),
    [(NOW, NOW - 1, NOW + 1), (NOW, NOW, NOW + 1), (NOW, NOW + 1, NOW + 1), (NOW, NOW + 9, NOW + 9)],
)
async def test_an_epoch_rises_by_one_or_to_now(store: Store, epoch: int, now: int, raised: int) -> None:
    await put_user(store, user(epoch=epoch))

    async with store.begin() as tx:
        assert await users.raise_epoch(tx, ADA, now) == raised
        assert await users.raise_epoch(tx, BOB, now) is None

    found = await users.by_id(store.read(), ADA)
    assert found is not None
    assert found.epoch == raised


async def test_a_removed_user_leaves_nothing(store: Store) -> None:
    await put_user(store, user(ADA), user(BOB))
    await put_session(store)

    async with store.begin() as tx:
        assert await users.remove(tx, ADA)
        assert not await users.remove(tx, ADA)

    assert await users.page(store.read()) == (user(BOB),)
    assert await sessions.of_user(store.read(), ADA, NOW) == ()
    assert await store.read().one("select count(*) from user_roles where user_id = ?", ADA) == (0,)
