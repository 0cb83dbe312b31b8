"""The profile `stateless`: a token for a day, and nothing about tokens is stored."""

import pytest

from jotgate.core.policy import HOUR
from jotgate.flows import users
from jotgate.guard.guard import Guard
from jotgate.jose import jws, strictjson
from tests.server.issuing import ISSUER, PASSWORD, House, give_role, issuing

pytestmark = pytest.mark.anyio


async def _rows(house: House) -> dict[str, int]:
    """How much lies in each table."""
    tx = house.env.store.read()
    tables = [str(name) for (name,) in await tx.all("select name from sqlite_master where type = 'table'")]
    counts = {}
    for table in tables:
        row = await tx.one(f"select count(*) from {table}")
        counts[table] = int(row[0]) if row else 0
    return counts


async def test_the_whole_flow() -> None:
    async with issuing("stateless") as house:
        await give_role(house, "manager", "members:read")
        user = await house.user(roles=["manager"])
        guard = Guard(ISSUER, jwks=(await house.http.get("/.well-known/jwks.json")).content)
        guard.clock = house.clock
        before = await _rows(house)

        # log in by user name or e-mail address
        answers = [
            await house.http.post("/auth/login", json={kind: value, "password": PASSWORD})
            for kind, value in (("username", "ada"), ("email", "ada@example.com"))
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        for answer in answers:
            assert list(answer.json()) == ["access_token", "token_type", "expires_in", "scope"]
            assert answer.json()["expires_in"] == 24 * HOUR

        # nothing about tokens is stored
        assert await _rows(house) == before
        assert before["sessions"] == 0

        # two logins, two different tokens, each valid on its own
        first, second = (answer.json()["access_token"] for answer in answers)
        assert first != second
        for token in (first, second):
            assert guard.verify(token).sub == user.id
            me = await house.http.get("/auth/me", headers={"authorization": f"Bearer {token}"})
            assert (me.status_code, me.json()["sub"]) == (200, user.id)
            assert "sid" not in me.json()

        # RFC 9068 plus role, without sid
        claims = strictjson.loads(jws.verify(first, house.env.keyring.current.public).payload)
        assert claims["role"] == "manager"
        assert claims["exp"] - claims["iat"] == 24 * HOUR
        assert "sid" not in claims


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/refresh"),
        ("POST", "/auth/logout"),
        ("POST", "/auth/logout-all"),
        ("GET", "/auth/sessions"),
        ("DELETE", "/auth/sessions/x"),
        ("GET", "/revocations"),
    ],
)
async def test_what_must_not_be_there_is_404(method: str, path: str) -> None:
    async with issuing("stateless") as house:
        await house.user()
        answer = await house.http.request(method, path, headers=await house.bearer())
        document = (await house.http.get("/openapi.json")).json()

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert path not in document["paths"]


@pytest.mark.parametrize(("seconds", "status"), [(24 * HOUR + 9, 200), (24 * HOUR + 10, 401)])
async def test_a_token_ends_at_its_expiry_and_not_before(seconds: int, status: int) -> None:
    async with issuing("stateless") as house:
        user = await house.user()
        bearer = await house.bearer()
        await users.set_roles(house.env, user.id, ["other"])  # a new token says so; the old one says what it says
        house.clock.now += seconds

        answer = await house.http.get("/auth/me", headers=bearer)

    assert answer.status_code == status


async def test_a_disabled_user_has_no_account_even_with_a_good_token() -> None:
    async with issuing("stateless") as house:
        user = await house.user()
        bearer = await house.bearer()
        await users.disable(house.env, user.id)

        answer = await house.http.get("/auth/me", headers=bearer)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


async def test_a_password_is_changed_without_sessions_too() -> None:
    async with issuing("stateless") as house:
        await house.user()
        body = {"current_password": PASSWORD, "new_password": "another long phrase 12"}

        answer = await house.http.post("/auth/password", json=body, headers=await house.bearer())

    assert answer.status_code == 204
