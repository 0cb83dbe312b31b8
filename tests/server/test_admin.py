"""Administration over HTTP: users, roles, sessions, keys; for tokens of the issuer alone, with its scope."""

from typing import Any

import pytest

from jotgate.flows import users
from tests.server.issuing import ISSUER, PASSWORD, House, give_role, issuing

pytestmark = pytest.mark.anyio
ADMIN = "/auth/admin"
NEW = "another long phrase 12"
ROWS = [
    ("GET", "/users"),
    ("POST", "/users"),
    ("GET", "/users/x"),
    ("PATCH", "/users/x"),
    ("DELETE", "/users/x"),
    ("POST", "/users/x/password"),
    ("GET", "/users/x/sessions"),
    ("DELETE", "/sessions/x"),
    ("GET", "/roles"),
    ("PUT", "/roles/x"),
    ("DELETE", "/roles/x"),
    ("GET", "/keys"),
    ("POST", "/keys/rotate"),
    ("POST", "/keys/x/revoke"),
]

# --- who may


@pytest.mark.parametrize(("method", "path"), ROWS)
async def test_nobody_administrates_without_a_token(house: House, method: str, path: str) -> None:
    answer = await house.http.request(method, ADMIN + path)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


@pytest.mark.parametrize(("method", "path"), ROWS)
async def test_nobody_administrates_without_the_scope(house: House, method: str, path: str) -> None:
    await give_role(house, "manager", "members:*", "jotgate:administer")
    await house.user(roles=["manager"])

    answer = await house.http.request(method, ADMIN + path, headers=await house.bearer())

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert 'error="insufficient_scope", scope="jotgate:admin"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("audience", "status", "code"),
    [
        ([ISSUER], 200, None),
        (["gym"], 401, "audience_mismatch"),
        ([ISSUER, "gym"], 401, "audience_mismatch"),
        (None, 401, "audience_mismatch"),  # all that is served
    ],
)
async def test_administration_takes_tokens_for_the_issuer_alone(
    audience: list[str] | None, status: int, code: str | None
) -> None:
    async with issuing(audience=("gym", "shop")) as house:
        await house.user("root", roles=["admin"])

        answer = await house.http.get(f"{ADMIN}/users", headers=await house.bearer("root", audience=audience))

    assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_a_narrowed_token_of_an_administrator_administrates_nothing(house: House) -> None:
    await house.user("root", roles=["admin"])

    answer = await house.http.get(f"{ADMIN}/users", headers=await house.bearer("root", scope="members:read"))

    assert answer.status_code == 403


async def test_who_is_no_administrator_any_more_is_out_at_once(house: House) -> None:
    root = await house.administrator()
    await users.set_roles(house.env, house.people["root"].id, [])

    answer = await house.http.get(f"{ADMIN}/users", headers=root)

    assert (answer.status_code, answer.json()["code"]) == (401, "claims_stale")


@pytest.mark.parametrize(("method", "path"), ROWS)
async def test_under_a_shared_secret_nobody_administrates(method: str, path: str) -> None:
    async with issuing("classic") as house:
        await house.user("root", roles=["admin"])

        answer = await house.http.request(method, ADMIN + path, headers=await house.bearer("root"))

    assert (answer.status_code, answer.json()["code"]) == (403, "refused")


async def test_a_stateless_issuer_is_administrated_too() -> None:
    async with issuing("stateless") as house:
        root = await house.administrator()
        before = await house.http.get(f"{ADMIN}/users", headers=root)
        await users.disable(house.env, house.people["root"].id)
        after = await house.http.get(f"{ADMIN}/users", headers=root)

    assert (before.status_code, after.status_code) == (200, 401)


# --- users


async def test_a_user_is_made_seen_changed_and_removed(house: House) -> None:
    root = await house.administrator()
    body = {"email": "Bob@example.com", "username": "bob", "name": "Bob", "password": PASSWORD, "roles": ["member"]}

    made = await house.http.post(f"{ADMIN}/users", json=body, headers=root)
    user_id = made.json()["id"]
    one = f"{ADMIN}/users/{user_id}"
    seen = await house.http.get(one, headers=root)
    changed = await house.http.patch(one, json={"name": None, "roles": ["manager"]}, headers=root)
    removed = await house.http.delete(one, headers=root)
    after = await house.http.get(one, headers=root)

    assert made.status_code == 201
    assert made.json() == seen.json()
    assert (made.json()["email"], made.json()["roles"]) == ("bob@example.com", ["member"])
    assert (changed.json()["name"], changed.json()["roles"]) == (None, ["manager"])
    assert (removed.status_code, after.status_code) == (204, 404)


async def test_disabling_ends_what_a_user_has_and_enabling_lets_log_in_again(house: House) -> None:
    root = await house.administrator()
    user = await house.user("bob")
    bob = await house.bearer("bob")
    one = f"{ADMIN}/users/{user.id}"

    disabled = await house.http.patch(one, json={"disabled": True}, headers=root)
    me = await house.http.get("/auth/me", headers=bob)
    login = {"username": "bob", "password": PASSWORD}
    out = await house.http.post("/auth/login", json=login)
    enabled = await house.http.patch(one, json={"disabled": False}, headers=root)
    again = await house.http.post("/auth/login", json=login)

    assert disabled.json()["disabled_at"] is not None
    assert (me.status_code, out.status_code) == (401, 401)
    assert enabled.json()["disabled_at"] is None
    assert again.status_code == 200


async def test_users_are_listed_in_pages(house: House) -> None:
    root = await house.administrator()
    for name in ("u1", "u2", "u3"):
        house.clock.now += 1
        await house.user(name)

    first = (await house.http.get(f"{ADMIN}/users?limit=2", headers=root)).json()
    second = (await house.http.get(f"{ADMIN}/users?limit=2&after={first['next']}", headers=root)).json()
    last = (await house.http.get(f"{ADMIN}/users?limit=2&after={second['next']}", headers=root)).json()

    names = [user["username"] for page in (first, second, last) for user in page["users"]]
    assert names == ["root", "u1", "u2", "u3"]
    assert last["next"] is None
    assert "password" not in str(first)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1e3", "9" * 5000, "٣", "00001999", "00001" * 1000])
async def test_a_limit_that_is_none_is_named(house: House, limit: str) -> None:
    answer = await house.http.get(f"{ADMIN}/users", params={"limit": limit}, headers=await house.administrator())

    assert (answer.status_code, answer.json()["field"]) == (422, "limit")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "root"}, 409, "identifier_taken"),
        ({}, 422, "invalid_field"),
        ({"username": "bob", "roles": "admin"}, 422, "invalid_field"),
        ({"username": "bob", "roles": ["bad name"]}, 422, "invalid_field"),
        ({"username": "bob", "password": "short"}, 422, "password_refused"),
    ],
)
async def test_a_user_that_cannot_be_made_is_not(house: House, body: dict[str, Any], status: int, code: str) -> None:
    root = await house.administrator()

    answer = await house.http.post(f"{ADMIN}/users", json=body, headers=root)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len((await house.http.get(f"{ADMIN}/users", headers=root)).json()["users"]) == 1


async def test_a_password_that_is_reset_ends_every_session(house: House) -> None:
    root = await house.administrator()
    user = await house.user("bob")
    tokens = await house.login("bob")

    answer = await house.http.post(f"{ADMIN}/users/{user.id}/password", json={"new_password": NEW}, headers=root)

    refresh = await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    login = await house.http.post("/auth/login", json={"username": "bob", "password": NEW})
    assert (answer.status_code, refresh.status_code, login.status_code) == (204, 401, 200)


async def test_an_administrator_sees_and_ends_anybodys_sessions(house: House) -> None:
    root = await house.administrator()
    user = await house.user("bob")
    bob = await house.bearer("bob")

    listed = await house.http.get(f"{ADMIN}/users/{user.id}/sessions", headers=root)
    (session,) = listed.json()["sessions"]
    ended = await house.http.delete(f"{ADMIN}/sessions/{session['id']}", headers=root)
    me = await house.http.get("/auth/me", headers=bob)

    assert session["current"] is False
    assert (ended.status_code, me.status_code) == (204, 401)


# --- roles


async def test_roles_are_set_whole_and_removed(house: House) -> None:
    root = await house.administrator()
    await house.user("bob", roles=["manager"])
    role = f"{ADMIN}/roles/manager"

    put = await house.http.put(role, json={"permissions": ["payments:read", "members:*"]}, headers=root)
    bob = await house.login("bob")
    listed = await house.http.get(f"{ADMIN}/roles", headers=root)
    removed = await house.http.delete(role, headers=root)
    again = await house.http.delete(role, headers=root)
    stale = await house.http.get("/auth/me", headers={"authorization": f"Bearer {bob['access_token']}"})

    assert put.json() == {"name": "manager", "permissions": ["members:*", "payments:read"]}
    assert bob["scope"] == "members:* payments:read"
    assert put.json() in listed.json()["roles"]
    assert (removed.status_code, again.status_code) == (204, 404)
    assert stale.json()["code"] == "claims_stale"


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("manager", {"permissions": ["a b"]}, 422),
        ("manager", {"permissions": ["*"]}, 422),
        ("manager", {"permissions": "members:read"}, 422),
        ("manager", {}, 422),
        ("bad%20name", {"permissions": []}, 422),
        ("x" * 65, {"permissions": []}, 422),
        ("admin", {"permissions": ["members:read"]}, 403),
    ],
)
async def test_a_role_that_cannot_be_is_refused(house: House, name: str, body: dict[str, Any], status: int) -> None:
    answer = await house.http.put(f"{ADMIN}/roles/{name}", json=body, headers=await house.administrator())

    assert answer.status_code == status


# --- keys


async def test_keys_rotate_and_old_tokens_stay_good(house: House) -> None:
    root = await house.administrator()

    before = (await house.http.get(f"{ADMIN}/keys", headers=root)).json()["keys"]
    early = await house.http.post(f"{ADMIN}/keys/rotate", headers=root)
    at_once = await house.http.post(f"{ADMIN}/keys/rotate", json={"at_once": True}, headers=root)
    states = {key["kid"]: key["state"] for key in at_once.json()["keys"]}

    assert sorted(key["state"] for key in before) == ["next", "signing"]
    assert early.status_code == 403
    assert sorted(states.values()) == ["next", "retiring", "signing"]
    following = next(key["kid"] for key in before if key["state"] == "next")
    assert states[following] == "signing"
    assert "sealed" not in at_once.text
    assert (await house.http.get("/auth/me", headers=root)).status_code == 200


async def test_a_revoked_key_takes_its_tokens_along(house: House) -> None:
    root = await house.administrator()
    keys = (await house.http.get(f"{ADMIN}/keys", headers=root)).json()["keys"]
    signing = next(key["kid"] for key in keys if key["state"] == "signing")

    answer = await house.http.post(f"{ADMIN}/keys/{signing}/revoke", headers=root)
    after = await house.http.get("/auth/me", headers=root)
    feed = (await house.http.get("/revocations")).json()["entries"]

    assert answer.status_code == 200
    assert signing not in {key["kid"] for key in answer.json()["keys"]}
    assert after.status_code == 401
    assert [entry[0] for entry in feed] == ["kid"]
    assert (
        await house.http.post(f"{ADMIN}/keys/{signing}/revoke", headers=await house.bearer("root"))
    ).status_code == 404
