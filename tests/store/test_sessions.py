"""Sessions at rest, on every store."""

import asyncio
from typing import Any

import msgspec
import pytest

from jotgate.core.model import Grant
from jotgate.store import sessions, users
from jotgate.store.ports import Store
from tests.store.rows import (
    ADA,
    BOB,
    NOW,
    S1,
    S1_AGAIN,
    S2,
    S3,
    SEED_HASH,
    put_role,
    put_session,
    put_user,
    session,
    user,
)

pytestmark = pytest.mark.anyio

GRANT = Grant(
    session_id=S1,
    user_id=ADA,
    client_id="jotgate",
    audience=("gym", "https://auth.example.com"),
    scope=None,
    roles=("manager", "member"),
    permissions=("members:*", "payments:read"),
    epoch=NOW,
    auth_time=NOW,
    amr="pwd",
    expires_at=NOW + 1000,
    idle_seconds=100,
    email="01@example.com",
    username="user01",
    name="Ada Lovelace",
)


async def open_one(store: Store, **changes: Any) -> None:
    await put_role(store, "manager", "members:*", "payments:read")
    await put_role(store, "member", "payments:read")
    await put_user(store)
    await put_session(store, session(**changes))


async def rotate(store: Store, *, now: int = NOW + 10, **changes: Any) -> Grant | None:
    presented: dict[str, Any] = {
        "session_id": S1,
        "generation": 0,
        "seed_hash": SEED_HASH,
        "client_id": "jotgate",
    }
    return await sessions.rotate(store.swap(), **{**presented, **changes}, now=now)


async def test_a_session_whose_number_is_taken_gets_the_next_free_one(store: Store) -> None:
    await open_one(store)
    await put_session(store, session(S2))

    granted = await sessions.open(store.keep(), session(S1_AGAIN, device="Safari"))

    assert granted
    assert granted.session_id == f"{int(S1_AGAIN, 16) + 2:032x}"
    opened = await sessions.by_id(store.read(), granted.session_id)
    assert opened == session(granted.session_id, device="Safari")
    assert await sessions.by_id(store.read(), S1) == session(S1)
    assert await sessions.by_id(store.read(), S1_AGAIN) is None
    assert await rotate(store, session_id=S1_AGAIN) is None
    assert not await sessions.close(store.swap(), S1_AGAIN, "logout", NOW)
    assert await sessions.open(store.keep(), session(S1_AGAIN, user_id=BOB)) is None


async def test_a_session_comes_back_as_opened(store: Store) -> None:
    whole = session(scope="members:read", parent=3, generation=4)
    await put_user(store)
    await put_session(store, whole)

    assert await sessions.by_id(store.read(), S1) == whole
    assert await sessions.by_id(store.read(), S2) is None


async def test_a_session_is_opened_by_one_statement_that_is_kept(store: Store) -> None:
    await put_role(store, "manager", "members:*", "payments:read")
    await put_role(store, "member", "payments:read")
    await put_user(store, user(password_hash="$hash"))

    assert await sessions.open(store.keep(), session(), password_hash="$another") is None
    assert await sessions.open(store.keep(), session(), password_hash="$hash") == GRANT

    assert await sessions.by_id(store.read(), S1) == session()


async def test_device_and_address_are_bounded(store: Store) -> None:
    await open_one(store, device="d" * 5000, address="a" * 5000)

    found = await sessions.by_id(store.read(), S1)

    assert found is not None
    assert (found.device, found.address) == ("d" * 200, "a" * 64)


@pytest.mark.parametrize("state", ["removed", "disabled"])
async def test_nobody_logs_in_who_was_removed_or_disabled_meanwhile(store: Store, state: str) -> None:
    if state == "disabled":
        await put_user(store, user(disabled_at=NOW))

    async with store.begin() as tx:
        assert await sessions.open(tx, session()) is None

    assert await sessions.by_id(store.read(), S1) is None


async def test_rotation_counts_up_and_gives_the_facts(store: Store) -> None:
    await open_one(store)

    assert await rotate(store) == GRANT

    assert await sessions.by_id(store.read(), S1) == session(generation=1, parent=0, rotated_at=NOW + 10)


async def test_rotation_gives_facts_that_are_not_there_as_none(store: Store) -> None:
    await put_user(store, user(email=None, name=None, roles=()))
    await put_session(store, session(scope="members:read"))

    expected = msgspec.structs.replace(GRANT, email=None, name=None, roles=(), permissions=(), scope="members:read")
    assert await rotate(store) == expected


@pytest.mark.parametrize(
    ("presented", "stored"),
    [
        ({"session_id": S2}, {}),
        ({"generation": 1}, {}),
        ({"generation": 0}, {"generation": 1}),
        ({"seed_hash": bytes(32)}, {}),
        ({"client_id": "other"}, {}),
        ({}, {"closed_at": NOW, "closed_by": "logout"}),
        ({"now": NOW + 50}, {"expires_at": NOW + 50}),
        ({"now": NOW + 100}, {}),
    ],
    ids=["no session", "newer", "older", "other seed", "other client", "closed", "expired", "idle"],
)
async def test_rotation_changes_nothing_but_in_the_good_case(
    store: Store, presented: dict[str, Any], stored: dict[str, Any]
) -> None:
    await open_one(store, **stored)

    assert await rotate(store, **presented) is None

    assert await sessions.by_id(store.read(), S1) == session(**stored)


@pytest.mark.parametrize(
    ("stored", "now"), [({"expires_at": NOW + 50}, NOW + 49), ({}, NOW + 99)], ids=["expires", "idle"]
)
async def test_rotation_works_up_to_the_last_second(store: Store, stored: dict[str, Any], now: int) -> None:
    await open_one(store, **stored)

    assert await rotate(store, now=now) is not None


async def test_a_disabled_user_rotates_no_more(store: Store) -> None:
    await open_one(store)
    async with store.begin() as tx:
        await users.set_disabled(tx, ADA, NOW)

    assert await rotate(store) is None
    assert await sessions.grant(store.read(), S1, NOW) is None


async def test_generations_end_where_the_token_has_no_more_room(store: Store) -> None:
    await open_one(store, generation=2**32 - 2)

    assert await rotate(store, generation=2**32 - 2) is not None
    assert await rotate(store, generation=2**32 - 1) is None


async def test_of_64_at_once_exactly_one_rotates(store: Store) -> None:
    await open_one(store)

    answers = await asyncio.gather(*(rotate(store) for _ in range(64)))

    assert [answer for answer in answers if answer] == [GRANT]
    found = await sessions.by_id(store.read(), S1)
    assert found is not None
    assert found.generation == 1


async def test_a_grant_is_read_without_writing(store: Store) -> None:
    await open_one(store)

    assert await sessions.grant(store.read(), S1, NOW + 99) == GRANT
    assert await sessions.grant(store.read(), S1, NOW + 100) is None
    assert await sessions.grant(store.read(), S2, NOW) is None

    assert await sessions.by_id(store.read(), S1) == session()


async def test_a_swap_goes_where_it_is_told(store: Store) -> None:
    await open_one(store, generation=5, parent=4)
    seen = session(generation=5, parent=4)

    assert await sessions.swap(store.swap(), seen, generation=6, parent=4, now=NOW + 60)

    assert await sessions.by_id(store.read(), S1) == session(generation=6, parent=4, rotated_at=NOW + 60)


@pytest.mark.parametrize(
    "stored",
    [
        {"generation": 6},
        {"parent": 3},
        {"seed_hash": bytes(32)},
        {"closed_at": NOW},
        {"expires_at": NOW + 60},
        {"idle_seconds": 60},
    ],
    ids=lambda stored: next(iter(stored)),
)
async def test_a_swap_is_lost_when_the_session_changed_since_it_was_read(store: Store, stored: dict[str, Any]) -> None:
    seen = session(generation=5, parent=4)
    now_stored = {"generation": 5, "parent": 4, **stored}
    await open_one(store, **now_stored)

    assert not await sessions.swap(store.swap(), seen, generation=6, parent=4, now=NOW + 60)

    assert await sessions.by_id(store.read(), S1) == session(**now_stored)


async def test_a_session_closes_once(store: Store) -> None:
    await open_one(store)

    async with store.begin() as tx:
        assert await sessions.close(tx, S1, "logout", NOW + 1)
        assert not await sessions.close(tx, S1, "replay", NOW + 2)
        assert not await sessions.close(tx, S2, "logout", NOW + 1)

    assert await sessions.by_id(store.read(), S1) == session(closed_at=NOW + 1, closed_by="logout")


async def test_all_of_a_users_sessions_close_but_one(store: Store) -> None:
    await put_user(store, user(ADA), user(BOB))
    await put_session(store, session(S1), session(S2), session(S3), session(f"{9:032x}", user_id=BOB))

    async with store.begin() as tx:
        assert await sessions.close_all(tx, ADA, "password", NOW, except_id=S2) == (S1, S3)
        assert await sessions.close_all(tx, ADA, "admin", NOW + 1) == (S2,)
        assert await sessions.close_all(tx, ADA, "admin", NOW + 2) == ()

    assert [one.id for one in await sessions.of_user(store.read(), BOB, NOW)] == [f"{9:032x}"]


async def test_a_users_open_sessions_are_listed_in_pages(store: Store) -> None:
    await put_user(store, user(ADA), user(BOB))
    closed = session(S3, closed_at=NOW, closed_by="logout")
    await put_session(store, session(S2), session(S1), closed, session(f"{9:032x}", user_id=BOB))

    assert await sessions.of_user(store.read(), ADA, NOW) == (session(S1), session(S2))
    assert await sessions.of_user(store.read(), ADA, NOW, limit=1) == (session(S1),)
    assert await sessions.of_user(store.read(), ADA, NOW, after=S1, limit=1) == (session(S2),)
    assert await sessions.of_user(store.read(), ADA, NOW + 100) == ()


async def test_sweeping_forgets_what_was_over_before(store: Store) -> None:
    await put_user(store)
    await put_session(
        store,
        session(f"{1:032x}", closed_at=NOW - 1, closed_by="logout"),
        session(f"{2:032x}", closed_at=NOW, closed_by="logout"),
        session(f"{3:032x}", expires_at=NOW - 1),
        session(f"{4:032x}", expires_at=NOW),
        session(f"{5:032x}"),
    )

    async with store.begin() as tx:
        assert await sessions.sweep(tx, NOW) == 2
        assert await sessions.sweep(tx, NOW) == 0

    left = await store.read().all("select id from sessions order by id")
    assert [row[0] for row in left] == [f"{2:032x}", f"{4:032x}", f"{5:032x}"]


async def test_sweeping_takes_small_bites(store: Store) -> None:
    await put_user(store)
    await put_session(store, *(session(f"{number:032x}", expires_at=NOW - number) for number in range(1, 6)))

    async with store.begin() as tx:
        assert [await sessions.sweep(tx, NOW, 2) for _ in range(4)] == [2, 2, 1, 0]


async def test_everybodys_open_sessions_come_page_by_page(store: Store) -> None:
    await put_user(store)
    for number, one in enumerate((S1, S2, S3)):
        await put_session(store, session(one, closed_at=NOW if number == 1 else None))

    first = await sessions.page(store.read(), NOW + 1, limit=1)
    rest = await sessions.page(store.read(), NOW + 1, after=first[0].id)

    assert [found.id for found in (*first, *rest)] == [S1, S3]


@pytest.mark.parametrize("proof", ["$argon2id$ada", None])
async def test_a_session_opens_with_the_facts_that_a_rotation_gives(store: Store, proof: str | None) -> None:
    await put_role(store, "manager", "members:*", "payments:read")
    await put_role(store, "member", "payments:read")
    await put_user(store)

    async with store.begin() as tx:
        grant = await sessions.open(tx, session(), password_hash=proof)

    assert grant == GRANT


async def test_nobody_logs_in_whose_password_was_changed_meanwhile(store: Store) -> None:
    await put_user(store)

    async with store.begin() as tx:
        assert await sessions.open(tx, session(), password_hash="$argon2id$old") is None

    assert await sessions.by_id(store.read(), S1) is None
