"""The profile `standard`, played from login to logout, step by step."""

import pytest

from jotgate.core.policy import HOUR
from jotgate.guard.guard import Guard
from jotgate.jose import jws, strictjson
from tests.server.issuing import ISSUER, PASSWORD, House, give_role, issuing

pytestmark = pytest.mark.anyio
CLAIMS = {
    "iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "scope", "roles", "epoch", "auth_time", "amr",
}  # fmt: skip


async def test_the_whole_flow(house: House) -> None:
    await give_role(house, "manager", "members:*", "payments:read")
    user = await house.user(roles=["manager"])
    guard = Guard(ISSUER, jwks=(await house.http.get("/.well-known/jwks.json")).content)
    guard.clock = house.clock

    # log in, by either name
    login = await house.http.post("/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
    tokens = login.json()
    assert login.status_code == 200
    assert list(tokens) == ["access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "scope"]
    assert (tokens["expires_in"], tokens["refresh_expires_in"]) == (900, 14 * 24 * HOUR)

    # the token is RFC 9068's and nothing more
    verified = jws.verify(tokens["access_token"], house.env.keyring.current.public)
    assert set(verified.header) == {"alg", "kid", "typ"}
    assert (verified.header["alg"], verified.header["typ"]) == ("ES256", "at+jwt")
    claims = strictjson.loads(verified.payload)
    assert set(claims) == CLAIMS
    assert claims["exp"] - claims["iat"] == 900
    assert claims["sub"] == user.id

    # a guard that holds nothing but the published keys takes it
    principal = guard.verify(tokens["access_token"])
    assert (principal.sub, principal.roles) == (user.id, ("manager",))
    principal.require(scope="members:read")

    # a refresh rotates, and the old one repeats within its grace
    house.clock.now += 600
    second = (await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    repeated = (await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    assert second["refresh_token"] == repeated["refresh_token"] != tokens["refresh_token"]

    # one's own session is one
    bearer = {"authorization": f"Bearer {second['access_token']}"}
    sessions = (await house.http.get("/auth/sessions", headers=bearer)).json()["sessions"]
    assert [(session["id"], session["current"]) for session in sessions] == [(claims["sid"], True)]

    # a logout closes it, and tells the feed
    cursor = (await house.http.get("/revocations")).json()["next"]
    logout = await house.http.post("/auth/logout", json={"refresh_token": second["refresh_token"]})
    news = (await house.http.get("/revocations", params={"after": cursor})).json()["entries"]
    assert (logout.status_code, logout.content) == (204, b"")
    assert [entry[0] for entry in news] == ["sid"]
    refused = await house.http.post("/auth/refresh", json={"refresh_token": second["refresh_token"]})
    me = await house.http.get("/auth/me", headers=bearer)
    assert (refused.status_code, refused.json()["code"]) == (401, "refresh_invalid")
    assert (me.status_code, me.json()["code"]) == (401, "token_revoked")


@pytest.mark.parametrize(("idle", "status"), [(14 * 24 * HOUR - 1, 200), (14 * 24 * HOUR, 401)])
async def test_a_session_is_over_after_14_days_without_use(house: House, idle: int, status: int) -> None:
    await house.user()
    token = (await house.login())["refresh_token"]
    house.clock.now += idle

    answer = await house.http.post("/auth/refresh", json={"refresh_token": token})

    assert answer.status_code == status


@pytest.mark.parametrize(("seconds", "status"), [(-1, 200), (0, 401)])
async def test_a_session_is_over_after_30_days_however_it_is_used(house: House, seconds: int, status: int) -> None:
    await house.user()
    token = (await house.login())["refresh_token"]
    for _ in range(3):
        house.clock.now += 9 * 24 * HOUR
        token = (await house.http.post("/auth/refresh", json={"refresh_token": token})).json()["refresh_token"]
    house.clock.now += 3 * 24 * HOUR + seconds

    answer = await house.http.post("/auth/refresh", json={"refresh_token": token})

    assert answer.status_code == status


async def test_no_token_outlives_its_session(house: House) -> None:
    await house.user()
    token = (await house.login())["refresh_token"]
    for _ in range(3):
        house.clock.now += 9.99 * 24 * HOUR
        answer = (await house.http.post("/auth/refresh", json={"refresh_token": token})).json()
        token = answer["refresh_token"]

    house.clock.now += 0.03 * 24 * HOUR - 100
    last = (await house.http.post("/auth/refresh", json={"refresh_token": token})).json()

    assert last["expires_in"] <= 100 + 1
    assert last["refresh_expires_in"] <= 100 + 1


async def test_parts_of_a_profile_can_be_chosen_alone() -> None:
    async with issuing(prefix="/id", access_ttl=60, login_identifiers=("username",), response_names="camel") as house:
        await house.user()
        answer = await house.http.post("/id/login", json={"username": "ada", "password": PASSWORD})
        by_email = await house.http.post("/id/login", json={"email": "ada@example.com", "password": PASSWORD})
        elsewhere = await house.http.post("/auth/login", json={"username": "ada", "password": PASSWORD})

    assert set(answer.json()) == {"token", "refreshToken"}
    assert (by_email.status_code, by_email.json()["field"]) == (422, "username")
    assert elsewhere.status_code == 404
