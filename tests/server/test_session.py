"""Login, refresh and logout over HTTP, row by row of the contract."""

import asyncio
from typing import Any

import pytest

from jotgate.errors import Busy
from jotgate.flows import login as login_flow
from jotgate.flows import users
from tests.server.issuing import ISSUER, NOW, PASSWORD, House, give_role, issuing

pytestmark = pytest.mark.anyio
GRACE = 30


async def test_a_login_answers_with_the_names_of_rfc_6749(house: House) -> None:
    await give_role(house, "manager", "members:read", "payments:read")
    await house.user(roles=["manager"])

    answer = await house.http.post("/auth/login", json={"email": "ada@example.com", "password": PASSWORD})

    tokens = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert list(tokens) == ["access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "scope"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert tokens["refresh_token"].startswith("jgr_")
    assert tokens["scope"] == "members:read payments:read"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "who",
    [{"email": "ada@example.com"}, {"email": " ADA@Example.COM "}, {"username": "ada"}, {"username": "Ada"}],
)
async def test_a_login_takes_either_identifier_as_people_spell_it(house: House, who: dict[str, str]) -> None:
    await house.user()

    answer = await house.http.post("/auth/login", json={**who, "password": PASSWORD})

    assert answer.status_code == 200, answer.text


async def test_unknown_wrong_and_disabled_get_the_same_bytes_and_headers(house: House) -> None:
    await house.user("ada")
    gone = await house.user("bob")
    await house.user("eve", password=None)
    await users.disable(house.env, gone.id)

    answers = [
        await house.http.post("/auth/login", json={"email": email, "password": password})
        for email, password in [
            ("nobody@example.com", PASSWORD),
            ("ada@example.com", "not the password"),
            ("bob@example.com", PASSWORD),
            ("eve@example.com", PASSWORD),
            ("not an address", PASSWORD),
            ("x" * 5000, PASSWORD),
            ("ada@example.com", ""),
            ("ada@example.com", "p" * 5000),
            ("ada@example.com", "nul\0l"),
        ]
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1
    assert answers[0].json() == {
        "error": "invalid_credentials",
        "error_description": "The user name or password is not right",
        "code": "invalid_credentials",
    }
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="jotgate"'


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": PASSWORD}, "email"),
        ({"email": "ada@example.com", "username": "ada", "password": PASSWORD}, "email"),
        ({"email": "ada@example.com"}, "password"),
        ({"email": "ada@example.com", "password": PASSWORD, "audience": ["elsewhere"]}, "audience"),
        ({"email": "ada@example.com", "password": PASSWORD, "audience": []}, "audience"),
        ({"email": "ada@example.com", "password": PASSWORD, "audience": 7}, "audience"),
        ({"email": "ada@example.com", "password": PASSWORD, "scope": 7}, "scope"),
        ({"email": "ada@example.com", "password": PASSWORD, "scope": 'a"b'}, "scope"),
    ],
)
async def test_a_login_names_the_field_that_is_wrong(house: House, body: dict[str, Any], field: str) -> None:
    await house.user()

    answer = await house.http.post("/auth/login", json=body)

    assert answer.status_code == 422
    assert field in answer.json()["error_description"]
    assert answer.json()["field"] == field


async def test_audience_and_scope_narrow_the_token() -> None:
    async with issuing(audience=("gym", "shop")) as house:
        await give_role(house, "manager", "members:*", "payments:read")
        await house.user(roles=["manager"])

        wide = await house.login()
        narrow = await house.login(audience="gym", scope="members:read other:write")
        me = await house.http.get("/auth/me", headers={"authorization": f"Bearer {narrow['access_token']}"})
        own = await house.login(audience=[ISSUER])

    assert wide["scope"] == "members:* payments:read"
    assert narrow["scope"] == "members:read"
    assert (me.status_code, me.json()["aud"]) == (200, ["gym"])  # account routes take any audience of ours
    assert own["access_token"]


async def test_too_many_wrong_passwords_are_429_with_the_seconds_to_wait(house: House) -> None:
    await house.user()
    wrong = {"email": "ada@example.com", "password": "wrong"}

    answers = [await house.http.post("/auth/login", json=wrong) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 5
    assert answers[-1].json()["code"] == "throttled"
    house.clock.now += int(answers[-1].headers["retry-after"])
    assert (await house.http.post("/auth/login", json=wrong | {"password": PASSWORD})).status_code == 200


async def test_a_full_queue_for_hashing_is_503_with_retry_after(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.user()

    async def full(*_: object, **__: object) -> None:
        raise Busy("no place")

    monkeypatch.setattr(login_flow, "login", full)

    answer = await house.http.post("/auth/login", json={"email": "ada@example.com", "password": PASSWORD})

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == "busy"


# --- refresh


@pytest.mark.parametrize("name", ["refresh_token", "refreshToken"])
async def test_a_refresh_gives_the_next_pair(house: House, name: str) -> None:
    await house.user()
    first = await house.login()
    house.clock.now += 10

    answer = await house.http.post("/auth/refresh", json={name: first["refresh_token"]})

    second = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert list(second) == list(first)
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]


async def test_both_names_of_the_refresh_token_must_agree(house: House) -> None:
    await house.user()
    token = (await house.login())["refresh_token"]

    same = await house.http.post("/auth/refresh", json={"refresh_token": token, "refreshToken": token})
    other = await house.http.post("/auth/refresh", json={"refresh_token": token, "refreshToken": "jgr_other"})

    assert same.status_code == 200
    assert (other.status_code, other.json()["code"]) == (400, "credentials_ambiguous")


async def test_64_uses_at_once_get_one_successor(house: House) -> None:
    await house.user()
    token = (await house.login())["refresh_token"]

    answers = await asyncio.gather(
        *(house.http.post("/auth/refresh", json={"refresh_token": token}) for _ in range(64))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


@pytest.mark.parametrize(("seconds", "status"), [(GRACE - 1, 200), (GRACE + 86_400, 401)])
async def test_an_old_token_is_repeated_in_its_grace_and_refused_long_after(
    house: House, seconds: int, status: int
) -> None:
    await house.user()
    first = (await house.login())["refresh_token"]
    await house.http.post("/auth/refresh", json={"refresh_token": first})
    house.clock.now += seconds

    answer = await house.http.post("/auth/refresh", json={"refresh_token": first})

    assert answer.status_code == status


async def test_a_replay_closes_the_session_and_says_so(house: House) -> None:
    await house.user()
    first = await house.login()
    second = (await house.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
    third = (await house.http.post("/auth/refresh", json={"refresh_token": second["refresh_token"]})).json()

    replay = await house.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    after = await house.http.post("/auth/refresh", json={"refresh_token": third["refresh_token"]})
    me = await house.http.get("/auth/me", headers={"authorization": f"Bearer {third['access_token']}"})

    assert (replay.status_code, replay.json()["code"]) == (401, "refresh_replayed")
    assert replay.json()["error"] == after.json()["error"] == "invalid_grant"
    assert (after.status_code, after.json()["code"]) == (401, "refresh_invalid")
    assert (me.status_code, me.json()["code"]) == (401, "token_revoked")
    assert replay.headers["www-authenticate"] == 'Bearer realm="jotgate"'


async def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(house: House) -> None:
    await house.user()
    tokens = await house.login()

    refresh = await house.http.post("/auth/refresh", json={"refresh_token": tokens["access_token"]})
    me = await house.http.get("/auth/me", headers={"authorization": f"Bearer {tokens['refresh_token']}"})

    assert (refresh.status_code, refresh.json()["code"]) == (401, "refresh_invalid")
    assert (me.status_code, me.json()["code"]) == (401, "token_malformed")


@pytest.mark.parametrize("token", ["", "jgr_", "jgr_" + "A" * 76, "x" * 10_000, "jgr_" + "é" * 76, "\0"])
async def test_what_is_no_refresh_token_of_ours_is_invalid_grant(house: House, token: str) -> None:
    answer = await house.http.post("/auth/refresh", json={"refresh_token": token})

    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_invalid")


async def test_a_refresh_without_a_token_names_the_field(house: House) -> None:
    for body in ({}, {"refresh_token": None}):
        answer = await house.http.post("/auth/refresh", json=body)

        assert answer.status_code == 422
        assert answer.json()["field"] == "refresh_token"


# --- logout


@pytest.mark.parametrize("by", ["refresh_token", "refreshToken", "access", "expired access", "old refresh", "both"])
async def test_a_logout_by_any_token_of_the_session_ends_it(house: House, by: str) -> None:
    await house.user()
    old = await house.login()
    tokens = (await house.http.post("/auth/refresh", json={"refresh_token": old["refresh_token"]})).json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    house.clock.now += 5000 if by == "expired access" else 0
    body = {
        "refresh_token": {"refresh_token": tokens["refresh_token"]},
        "refreshToken": {"refreshToken": tokens["refresh_token"]},
        "old refresh": {"refresh_token": old["refresh_token"]},
        "both": {"refresh_token": tokens["refresh_token"]},
    }.get(by)
    headers = bearer if by in {"access", "expired access", "both"} else {}

    first = await house.http.post("/auth/logout", json=body, headers=headers)
    again = await house.http.post("/auth/logout", json=body, headers=headers)
    after = await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})

    assert (first.status_code, again.status_code) == (204, 204)
    assert first.content == b""
    assert after.status_code == 401


async def test_a_logout_without_any_token_asks_for_one(house: House) -> None:
    answer = await house.http.post("/auth/logout")

    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


async def test_a_logout_by_a_foreign_refresh_token_changes_nothing(house: House) -> None:
    await house.user()
    tokens = await house.login()

    answer = await house.http.post("/auth/logout", json={"refresh_token": "jgr_" + "A" * 76})
    after = await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})

    assert (answer.status_code, after.status_code) == (204, 200)


async def test_a_logout_by_a_tampered_access_token_is_refused(house: House) -> None:
    await house.user()
    token = (await house.login())["access_token"]
    tampered = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")

    answer = await house.http.post("/auth/logout", headers={"authorization": f"Bearer {tampered}"})

    assert answer.status_code == 401
    assert answer.json()["code"] in {"signature_invalid", "token_malformed"}


async def test_logout_all_ends_every_session_of_the_user_and_of_nobody_else(house: House) -> None:
    await house.user("ada")
    await house.user("bob")
    one, two, bob = await house.login("ada"), await house.login("ada"), await house.login("bob")

    answer = await house.http.post("/auth/logout-all", headers={"authorization": f"Bearer {one['access_token']}"})

    after = [
        (await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).status_code
        for tokens in (one, two, bob)
    ]
    assert (answer.status_code, after) == (204, [401, 401, 200])


# --- sessions


async def test_own_sessions_are_listed_with_the_current_one_marked(house: House) -> None:
    await house.user("ada")
    await house.user("bob")
    await house.login("bob")
    first = await house.login("ada")
    house.clock.now += 60
    bearer = await house.bearer("ada")
    await house.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})

    answer = await house.http.get("/auth/sessions", headers={**bearer, "user-agent": "Firefox/150"})

    old, current = answer.json()["sessions"]
    assert set(old) == {
        "id", "client_id", "opened_at", "refreshed_at", "expires_at", "device", "address", "current",
    }  # fmt: skip
    assert (old["opened_at"], old["refreshed_at"], old["current"]) == (NOW, NOW + 60, False)
    assert (current["opened_at"], current["current"]) == (NOW + 60, True)
    assert current["address"] == "192.0.2.7"
    assert current["device"].startswith("python-httpx2")


async def test_one_ends_ones_own_sessions_and_nobody_elses(house: House) -> None:
    await house.user("ada")
    await house.user("bob")
    ada, bob = await house.bearer("ada"), await house.bearer("bob")
    other = await house.login("ada")
    ids = {
        session["id"]: session["current"]
        for session in (await house.http.get("/auth/sessions", headers=ada)).json()["sessions"]
    }
    target = next(session for session, current in ids.items() if not current)

    by_bob = await house.http.delete(f"/auth/sessions/{target}", headers=bob)
    by_ada = await house.http.delete(f"/auth/sessions/{target}", headers=ada)
    again = await house.http.delete(f"/auth/sessions/{target}", headers=ada)
    after = await house.http.post("/auth/refresh", json={"refresh_token": other["refresh_token"]})

    assert (by_bob.status_code, by_ada.status_code, again.status_code) == (404, 204, 404)
    assert after.status_code == 401
    assert (await house.http.get("/auth/me", headers=ada)).status_code == 200
