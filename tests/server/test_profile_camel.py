"""The profile `camel`: /login, /refresh, /logout, and {"token", "refreshToken"}."""

import pytest

from jotgate.core.policy import HOUR
from jotgate.jose import jws, strictjson
from jotgate.wire.feed import digest, parse_page
from tests.server.issuing import ISSUER, PASSWORD, give_role, issuing

pytestmark = pytest.mark.anyio


async def test_the_whole_flow() -> None:
    async with issuing("camel") as house:
        await give_role(house, "manager", "members:read")
        user = await house.user(roles=["manager"])

        # log in by user name, without a prefix
        login = await house.http.post("/login", json={"username": "ada", "password": PASSWORD})
        assert login.status_code == 200
        assert list(login.json()) == ["token", "refreshToken"]
        assert (await house.http.post("/login", json={"email": "a@b.c", "password": PASSWORD})).status_code == 422

        # an hour, RFC 9068 plus name, email and role
        claims = strictjson.loads(jws.verify(login.json()["token"], house.env.keyring.current.public).payload)
        assert claims["exp"] - claims["iat"] == HOUR
        assert (claims["name"], claims["email"], claims["role"]) == ("Ada", "ada@example.com", "manager")
        assert claims["sub"] == user.id

        # refresh by either spelling
        second = await house.http.post("/refresh", json={"refreshToken": login.json()["refreshToken"]})
        third = await house.http.post("/refresh", json={"refresh_token": second.json()["refreshToken"]})
        assert list(second.json()) == list(third.json()) == ["token", "refreshToken"]
        assert len({answer.json()["refreshToken"] for answer in (login, second, third)}) == 3

        # a replay closes the session, here as everywhere
        await house.user("bob")
        bob = [(await house.http.post("/login", json={"username": "bob", "password": PASSWORD})).json()]
        for _ in range(2):
            bob.append((await house.http.post("/refresh", json={"refreshToken": bob[-1]["refreshToken"]})).json())
        replay = await house.http.post("/refresh", json={"refreshToken": bob[0]["refreshToken"]})
        assert replay.json()["code"] == "refresh_replayed"

        # a logout by the access token refuses that token at once, here and by the feed everywhere
        cursor = (await house.http.get("/revocations")).json()["next"]
        bearer = {"authorization": f"Bearer {third.json()['token']}"}
        assert (await house.http.get("/me", headers=bearer)).status_code == 200
        assert (await house.http.post("/logout", headers=bearer)).status_code == 204
        after = await house.http.get("/me", headers=bearer)
        news = (await house.http.get("/revocations", params={"after": cursor})).content
        assert (after.status_code, after.json()["code"]) == (401, "token_revoked")
        assert digest(ISSUER, "sid", claims["sid"]) in _digests(news)
        refused = await house.http.post("/refresh", json={"refreshToken": third.json()["refreshToken"]})
        assert (refused.status_code, refused.json()["code"]) == (401, "refresh_invalid")


def _digests(page: bytes) -> list[bytes]:
    return [entry.digest for entry in parse_page(page).entries]


@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
async def test_nothing_is_at_the_usual_prefix(path: str) -> None:
    async with issuing("camel") as house:
        assert (await house.http.post(path)).status_code == 404


async def test_a_logout_with_both_tokens_ends_one_session() -> None:
    async with issuing("camel") as house:
        await house.user()
        tokens, other = await house.login(), await house.login()
        bearer = {"authorization": f"Bearer {tokens['token']}"}

        logout = await house.http.post("/logout", json={"refreshToken": tokens["refreshToken"]}, headers=bearer)
        refreshed = await house.http.post("/refresh", json={"refreshToken": other["refreshToken"]})

    assert (logout.status_code, refreshed.status_code) == (204, 200)


async def test_without_refresh_there_is_one_token() -> None:
    async with issuing("camel", refresh=False) as house:
        await house.user()

        assert list(await house.login()) == ["token"]
