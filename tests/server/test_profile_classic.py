"""The profile `classic`: HS256 for an hour with the claims that tutorials use; who logs out deletes the token."""

import jwt as pyjwt
import pytest

from jotgate.core.policy import HOUR
from jotgate.guard.guard import Guard
from jotgate.jose import jws, strictjson
from tests.server.issuing import ISSUER, PASSWORD, give_role, issuing

pytestmark = pytest.mark.anyio


async def test_the_whole_flow() -> None:
    async with issuing("classic") as house:
        await give_role(house, "manager", "members:read")
        user = await house.user(roles=["manager"])
        secret = house.env.keyring.secrets.hs256
        assert secret is not None

        # log in by user name alone
        login = await house.http.post("/auth/login", json={"username": "ada", "password": PASSWORD})
        by_email = await house.http.post("/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
        assert login.status_code == 200
        assert list(login.json()) == ["access_token", "token_type", "expires_in", "scope"]
        assert login.json()["expires_in"] == HOUR
        assert (by_email.status_code, by_email.json()["field"]) == (422, "username")

        # HS256 under the shared secret, RFC 9068 plus user_id, name, role and email
        token = login.json()["access_token"]
        verified = jws.verify(token, house.env.keyring.current.public)
        claims = strictjson.loads(verified.payload)
        assert (verified.header["alg"], verified.header["typ"]) == ("HS256", "at+jwt")
        assert (claims["user_id"], claims["name"], claims["role"], claims["email"]) == (
            user.id, "Ada", "manager", "ada@example.com",
        )  # fmt: skip
        assert "sid" not in claims

        # whoever holds the secret verifies it: our guard, and the library that everybody has
        guard = Guard(ISSUER, hs256_secret=secret)
        guard.clock = house.clock
        assert guard.verify(token).sub == user.id
        assert pyjwt.PyJWS().decode(token, secret, algorithms=["HS256"]) == verified.payload

        # the token opens the account until it ends
        bearer = {"authorization": f"Bearer {token}"}
        assert (await house.http.get("/auth/me", headers=bearer)).json()["username"] == "ada"
        house.clock.now += HOUR + 10
        assert (await house.http.get("/auth/me", headers=bearer)).json()["code"] == "token_expired"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/refresh"),
        ("POST", "/auth/logout"),
        ("POST", "/auth/logout-all"),
        ("GET", "/auth/sessions"),
        ("GET", "/revocations"),
        ("GET", "/auth/setup"),
    ],
)
async def test_what_must_not_be_there_is_404(method: str, path: str) -> None:
    async with issuing("classic") as house:
        assert (await house.http.request(method, path)).status_code == 404


async def test_the_secret_is_nowhere_to_be_read() -> None:
    async with issuing("classic") as house:
        await house.user()
        bearer = await house.bearer()
        paths = ("/.well-known/jwks.json", "/metrics", "/openapi.json", "/auth/me")
        answers = [await house.http.get(path, headers=bearer) for path in paths]

        secret = house.env.keyring.secrets.hs256
        assert secret is not None
        assert all(secret not in answer.content and secret.hex() not in answer.text for answer in answers)
        assert answers[0].json() == {"keys": []}


async def test_refresh_can_be_chosen() -> None:
    async with issuing("classic", refresh=True) as house:
        await house.user()
        tokens = await house.login()

        refreshed = await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        logout = await house.http.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]})

    assert (refreshed.status_code, logout.status_code) == (200, 204)
