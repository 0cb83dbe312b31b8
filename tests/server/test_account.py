"""One's own account over HTTP: who am I, register, a new password."""

from typing import Any

import pytest

from jotgate.flows import users
from tests.server.issuing import PASSWORD, House, give_role, issuing

pytestmark = pytest.mark.anyio
NEW = "another long phrase 12"


async def test_me_says_who_the_token_speaks_for(house: House) -> None:
    await give_role(house, "manager", "members:read")
    user = await house.user(roles=["manager"])

    answer = await house.http.get("/auth/me", headers=await house.bearer())

    me = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert me["sub"] == user.id
    assert (me["email"], me["username"], me["name"]) == ("ada@example.com", "ada", "Ada")
    assert (me["roles"], me["scope"]) == (["manager"], "members:read")
    assert len(me["sid"]) == 32


async def test_without_credentials_the_challenge_names_no_error(house: House) -> None:
    answer = await house.http.get("/auth/me")

    assert answer.status_code == 401
    assert answer.json()["code"] == "token_missing"
    assert answer.headers["www-authenticate"] == 'Bearer realm="jotgate"'


async def test_an_expired_token_is_told_from_others(house: House) -> None:
    await house.user()
    bearer = await house.bearer()

    house.clock.now += 900 + 9  # the leeway is 10 s
    assert (await house.http.get("/auth/me", headers=bearer)).status_code == 200
    house.clock.now += 1
    answer = await house.http.get("/auth/me", headers=bearer)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert 'error="invalid_token", error_description="The access token expired"' in answer.headers["www-authenticate"]


async def test_a_token_in_the_query_is_no_credential(house: House) -> None:
    await house.user()
    token = (await house.login())["access_token"]

    answer = await house.http.get(f"/auth/me?access_token={token}")

    assert answer.json()["code"] == "token_missing"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([("authorization", "Basic YTpi")], 401, "token_missing"),
        ([("authorization", "Bearer")], 401, "token_malformed"),
        ([("authorization", "Bearer a b")], 401, "token_malformed"),
        ([("authorization", "Bearer x.y.z")], 401, "token_malformed"),
        ([("authorization", "Bearer " + "x" * 9000)], 401, "token_malformed"),
        ([("authorization", "Bearer a"), ("authorization", "Bearer a")], 400, "credentials_ambiguous"),
        ([("authorization", "Bearer a, Bearer b")], 400, "credentials_ambiguous"),
    ],
)
async def test_credentials_that_are_none_are_told_apart(
    house: House, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    answer = await house.http.get("/auth/me", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("change", "code"),
    [("disable", "token_revoked"), ("remove", "token_revoked"), ("roles", "claims_stale"), ("name", "claims_stale")],
)
async def test_what_changed_since_the_login_is_asked_of_the_store(house: House, change: str, code: str) -> None:
    user = await house.user()
    bearer = await house.bearer()

    match change:
        case "disable":
            await users.disable(house.env, user.id)
        case "remove":
            await users.remove(house.env, user.id)
        case "roles":
            await users.set_roles(house.env, user.id, ["auditor"])
        case "name":
            await users.rename(house.env, user.id, "Ada L.")
    answer = await house.http.get("/auth/me", headers=bearer)

    assert (answer.status_code, answer.json()["code"]) == (401, code)


# --- register


async def test_registration_is_closed_until_it_is_opened(house: House) -> None:
    answer = await house.http.post("/auth/register", json={"email": "new@example.com", "password": NEW})

    assert (answer.status_code, answer.json()["code"]) == (403, "refused")


async def test_somebody_registers_and_logs_in_and_roles_in_the_body_count_nothing() -> None:
    async with issuing(registration="open") as house:
        body = {"email": "New@Example.com", "username": "newbie", "password": NEW, "name": "N", "roles": ["admin"]}

        answer = await house.http.post("/auth/register", json=body)
        login = await house.http.post("/auth/login", json={"username": "newbie", "password": NEW})

    user = answer.json()
    assert (answer.status_code, login.status_code) == (201, 200)
    assert (user["email"], user["username"], user["name"], user["roles"]) == ("new@example.com", "newbie", "N", [])
    assert "password" not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"email": "ada@example.com", "password": NEW}, 409, "identifier_taken", None),
        ({"email": " ADA@example.com", "password": NEW}, 409, "identifier_taken", None),
        ({"username": "Ada", "password": NEW}, 409, "identifier_taken", None),
        ({"password": NEW}, 422, "invalid_field", "email"),
        ({"email": "no address", "password": NEW}, 422, "invalid_field", "email"),
        ({"username": "a b", "password": NEW}, 422, "invalid_field", "username"),
        ({"email": "new@example.com"}, 422, "invalid_field", "password"),
        ({"email": "new@example.com", "password": "short"}, 422, "password_refused", "password"),
        ({"email": "new@example.com", "password": "x" * 257}, 422, "password_refused", "password"),
        ({"email": "new@example.com", "password": "passwordpassword"}, 422, "password_refused", "password"),
        ({"email": "new@example.com", "password": "nul\0 in the middle"}, 422, "password_refused", "password"),
        ({"email": "new@example.com", "password": NEW, "name": "x" * 201}, 422, "invalid_field", "name"),
    ],
)
async def test_a_registration_that_cannot_be_says_why(
    body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    async with issuing(registration="open") as house:
        await house.user("ada")

        answer = await house.http.post("/auth/register", json=body)

    assert (answer.status_code, answer.json()["code"], answer.json().get("field")) == (status, code, field)


# --- password


async def test_a_new_password_ends_every_other_session(house: House) -> None:
    await house.user()
    other, own = await house.login(), await house.login()
    bearer = {"authorization": f"Bearer {own['access_token']}"}

    answer = await house.http.post(
        "/auth/password", json={"current_password": PASSWORD, "new_password": NEW}, headers=bearer
    )

    assert answer.status_code == 204
    statuses = [
        (await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).status_code
        for tokens in (other, own)
    ]
    assert statuses == [401, 200]
    old = await house.http.post("/auth/login", json={"username": "ada", "password": PASSWORD})
    new = await house.http.post("/auth/login", json={"username": "ada", "password": NEW})
    assert (old.status_code, new.status_code) == (401, 200)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"current_password": "wrong", "new_password": NEW}, 401, "invalid_credentials"),
        ({"current_password": PASSWORD, "new_password": "short"}, 422, "password_refused"),
        ({"current_password": PASSWORD}, 422, "invalid_field"),
    ],
)
async def test_a_password_stays_as_it_is_when_something_is_wrong(
    house: House, body: dict[str, str], status: int, code: str
) -> None:
    await house.user()

    answer = await house.http.post("/auth/password", json=body, headers=await house.bearer())

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await house.login()
