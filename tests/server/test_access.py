"""Who may call our own routes: tokens that are nearly right."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from jotgate.jose import Key, jws, jwt, new_key
from jotgate.jose.claims import Claims, read
from tests.server.issuing import NOW, House, issuing

pytestmark = pytest.mark.anyio


async def _forged(house: House, *, key: Key | None = None, typ: str = "at+jwt", **changed: Any) -> dict[str, str]:
    """The header of a token like ada's, changed and signed anew."""
    own = (await house.login())["access_token"]
    ring = house.env.keyring.current
    claims: Claims = msgspec.structs.replace(read(jws.verify(own, ring.public).payload), **changed)
    return {"authorization": f"Bearer {jwt.encode(claims, key or ring.signing, typ=typ)}"}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"typ": "JWT"}, "type_mismatch"),
        ({"typ": "rt+jwt"}, "type_mismatch"),
        ({"iss": "https://other.example.com"}, "issuer_mismatch"),
        ({"exp": NOW - 11}, "token_expired"),
        ({"iat": NOW + 11}, "token_not_yet_valid"),
        ({"exp": NOW + 90_000}, "lifetime_excessive"),
        ({"sid": "0" * 32}, "token_revoked"),
        ({"sid": None}, "token_revoked"),
        ({"sub": "0" * 32}, "token_revoked"),
        ({"epoch": -1}, "claims_stale"),
        ({"epoch": None}, None),  # the user's epoch is 0, and so is what is not said
    ],
)
async def test_an_account_route_takes_whole_tokens_with_an_open_session(
    house: House, changed: dict[str, Any], code: str | None
) -> None:
    await house.user()

    answer = await house.http.get("/auth/me", headers=await _forged(house, **changed))

    assert answer.json().get("code") == code, answer.text


async def test_a_key_of_somebody_else_opens_nothing(house: House) -> None:
    await house.user()
    foreign = new_key("ES256")
    renamed = replace(foreign, kid=house.env.keyring.current.signing.kid)

    for key in (foreign, renamed):
        answer = await house.http.get("/auth/me", headers=await _forged(house, key=key))

        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"typ": "JWT"}, "type_mismatch"), ({"iss": "https://other.example.com"}, "issuer_mismatch")],
)
async def test_a_logout_takes_access_tokens_of_ours_alone(house: House, changed: dict[str, Any], code: str) -> None:
    await house.user()

    answer = await house.http.post("/auth/logout", headers=await _forged(house, **changed))

    assert (answer.status_code, answer.json()["code"]) == (401, code)


@pytest.mark.parametrize("changed", [{"exp": NOW - 90_000}, {"exp": NOW + 90_000}, {"iat": NOW + 50}, {"epoch": -1}])
async def test_a_logout_takes_them_at_any_time(house: House, changed: dict[str, Any]) -> None:
    await house.user()

    answer = await house.http.post("/auth/logout", headers=await _forged(house, **changed))

    assert answer.status_code == 204


async def test_a_cookie_without_refresh_or_csrf_claim_changes_nothing() -> None:
    async with issuing("stateless", transport="cookie", login_identifiers=("email",)) as house:
        await house.user()
        own = {"origin": "https://auth.example.com"}
        body = {"email": "ada@example.com", "password": "a slow brown dog 47"}
        login = await house.http.post("/auth/login", json=body, headers=own)
        token = login.headers.get_list("set-cookie")[0].partition("=")[2].partition(";")[0]
        claims = read(jws.verify(token, house.env.keyring.current.public).payload)
        bare = jwt.encode(msgspec.structs.replace(claims, extra={}), house.env.keyring.current.signing)
        answer = await house.http.post(
            "/auth/password",
            json={"current_password": body["password"], "new_password": "another long phrase 12"},
            headers={**own, "cookie": f"__Host-jotgate-at={bare}", "x-csrf-token": "None"},
        )

    names = {header.partition("=")[0] for header in login.headers.get_list("set-cookie")}
    assert names == {"__Host-jotgate-at", "__Host-jotgate-csrf"}
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


async def test_openapi_knows_the_cookie_where_it_is_a_transport() -> None:
    async with issuing(transport="both") as house:
        schemes = (await house.http.get("/openapi.json")).json()["components"]["securitySchemes"]

    assert schemes["cookie"] == {"type": "apiKey", "in": "cookie", "name": "__Host-jotgate-at"}
