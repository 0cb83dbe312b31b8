"""Forward authentication: what a proxy is told about a request that it holds."""

import re
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from jotgate.flows import roles, sessions, users
from jotgate.server.check import IDENTITY, QUERY
from jotgate.server.gate import Edge
from tests.server.issuing import ISSUER, NOW, PASSWORD, House, client, give_role, issuing

pytestmark = pytest.mark.anyio
APP = "https://app.example.com"
EVIL = "https://evil.example"
AT, CSRF = "__Host-jotgate-at", "__Host-jotgate-csrf"
MANAGER = ("members:*", "payments:read")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with issuing(audience=(ISSUER, "gym"), extra_claims=("email", "name", "preferred_username")) as house:
        await give_role(house, "manager", *MANAGER)
        await house.user(roles=["manager", "front.desk"])
        yield house


async def asked(house: House, query: str = "", **headers: str) -> tuple[int, str]:
    """The status of the answer and the code in its body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await house.http.get(f"{house.prefix}/check{query}", headers=named)
    return answer.status_code, answer.json()["code"] if answer.content else ""


# --- who it is


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_good_token_is_204_with_who_it_is(house: House, method: str) -> None:
    answer = await house.http.request(method, "/auth/check", headers=await house.bearer())

    told = {name: value for name, value in answer.headers.items() if name.startswith("x-auth-")}
    (session,) = await sessions.list_own(house.env, house.people["ada"].id)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert told == {
        "x-auth-subject": house.people["ada"].id,
        "x-auth-session": session.id,
        "x-auth-roles": "front.desk,manager",
        "x-auth-scope": "members:* payments:read",
        "x-auth-username": "ada",
        "x-auth-email": "ada@example.com",
        "x-auth-name": "Ada",
    }


async def test_what_the_token_does_not_say_is_empty() -> None:
    async with issuing("stateless") as house:
        await house.user()
        answer = await house.http.get("/auth/check", headers=await house.bearer())

    told = {name: value for name, value in answer.headers.items() if name.startswith("x-auth-")}
    assert told.pop("x-auth-subject") == house.people["ada"].id
    assert (answer.status_code, len(told), set(told.values())) == (204, 6, {""})


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("Zoë, 100 %", "Zo%C3%AB, 100 %25"),
        ("Ada%0d%0aX-Auth-Roles: admin", "Ada%250d%250aX-Auth-Roles: admin"),
        ("\u5c0f\u660e", "%E5%B0%8F%E6%98%8E"),
    ],
)
async def test_no_name_can_end_its_header(house: House, name: str, told: str) -> None:
    await users.rename(house.env, house.people["ada"].id, name)

    answer = await house.http.get("/auth/check", headers=await house.bearer())

    assert answer.headers["x-auth-name"] == told


async def test_a_refusal_says_nothing_about_who_it_is(house: House) -> None:
    answer = await house.http.get("/auth/check?role=owner", headers=await house.bearer())

    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("x-auth-")]


# --- 401


async def test_without_a_token_it_is_401_with_a_challenge(house: House) -> None:
    answer = await house.http.get("/auth/check")

    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="jotgate"'
    assert answer.headers["cache-control"] == "no-store"


async def test_a_session_that_is_over_is_refused_at_once(house: House) -> None:
    header = await house.bearer()
    assert await asked(house, **header) == (204, "")

    await house.http.post("/auth/logout", headers=header)

    assert await asked(house, **header) == (401, "token_revoked")


async def test_a_changed_role_makes_the_token_stale_at_once(house: House) -> None:
    header = await house.bearer()
    house.clock.now += 1

    await users.set_roles(house.env, house.people["ada"].id, ["front.desk"])

    assert await asked(house, **header) == (401, "claims_stale")


@pytest.mark.parametrize(("later", "expected"), [(909, (204, "")), (910, (401, "token_expired"))])
async def test_it_ends_with_the_token(house: House, later: int, expected: tuple[int, str]) -> None:
    header = await house.bearer()

    house.clock.now = NOW + later

    assert await asked(house, **header) == expected


@pytest.mark.parametrize("query", ["?access_token={}", "?token={}", "?audience={}"])
async def test_a_token_in_the_query_is_none(house: House, query: str) -> None:
    token = (await house.login())["access_token"]

    assert await asked(house, query.format(token)) == (401, "token_missing")


async def test_two_credentials_are_400(house: House) -> None:
    token = (await house.login())["access_token"]
    headers = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]

    answer = await house.http.get("/auth/check", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "credentials_ambiguous")


# --- what the query asks

ASKED = [
    ("", 204),
    ("?role=manager", 204),
    ("?role=owner", "role_missing"),
    ("?role=manager&role=front.desk", 204),
    ("?role=manager&role=owner", "role_missing"),
    ("?role=manager&role=owner&match=any", 204),
    ("?role=manager&role=owner&match=all", "role_missing"),
    ("?scope=members:read", 204),
    ("?scope=members:read&scope=payments:read", 204),
    ("?scope=members:read+payments:read", 204),
    ("?scope=members:read%20payments:write", "scope_missing"),
    ("?scope=members:read&scope=payments:write&match=any", 204),
    ("?role=owner&scope=members:read&match=any", "role_missing"),
    ("?role=manager&scope=payments:write&match=any", "scope_missing"),
    ("?match=any", 204),
    ("?audience=gym", 204),
    ("?audience=pool", "audience_mismatch"),
    ("?audience=pool&audience=gym", 204),
    ("?audience=gym&role=manager&scope=members:read", 204),
]


@pytest.mark.parametrize(("query", "expected"), ASKED)
async def test_the_query_says_what_is_asked(house: House, query: str, expected: int | str) -> None:
    status, code = await asked(house, query, **await house.bearer())

    assert (code or status) == expected
    assert status == {"audience_mismatch": 401}.get(code, 403 if code else 204)


async def test_a_missing_scope_is_named_in_the_challenge(house: House) -> None:
    answer = await house.http.get("/auth/check?scope=payments:write", headers=await house.bearer())

    challenge = 'Bearer realm="jotgate", error="insufficient_scope", scope="payments:write"'
    assert answer.headers["www-authenticate"] == challenge


async def test_where_no_audience_is_asked_for_it_is_the_issuer_as_at_any_guard(house: House) -> None:
    for_the_gym = await house.bearer(audience="gym")

    assert await asked(house, **for_the_gym) == (401, "audience_mismatch")
    assert await asked(house, "?audience=gym", **for_the_gym) == (204, "")


@pytest.mark.parametrize(("later", "expected"), [(60, (204, "")), (61, (401, "step_up_required"))])
async def test_a_login_may_be_too_long_ago(house: House, later: int, expected: tuple[int, str]) -> None:
    header = await house.bearer()

    house.clock.now = NOW + later

    assert await asked(house, "?max_age=60", **header) == expected


WRONG = [
    "?rolle=manager",
    "?Role=manager",
    "?role",
    "?role=",
    "?scope=",
    "?scope=members:read++payments:read",
    "?audience=",
    "?match=",
    "?match=some",
    "?role=manager%0a",
    f"?role={'r' * 257}",
    "?max-age=3",
    "?max_age=0",
    "?max_age=-1",
    "?max_age=1e3",
    "?max_age=\u0663",
]


@pytest.mark.parametrize("query", WRONG)
async def test_a_query_that_is_not_understood_lets_nobody_in(house: House, query: str) -> None:
    assert await asked(house, query, **await house.bearer()) == (422, "invalid_field")


@pytest.mark.parametrize("query", ["?" + "&".join(["role=manager"] * 33), "?role=%ff", "?match=any&match=any"])
async def test_a_query_that_cannot_be_read_lets_nobody_in(house: House, query: str) -> None:
    assert await asked(house, query, **await house.bearer()) == (400, "request_malformed")


async def test_it_asks_as_many_things_as_are_allowed(house: House) -> None:
    query = "?" + "&".join(["role=manager"] * 32)

    assert await asked(house, query, **await house.bearer()) == (204, "")


async def test_other_methods_are_refused(house: House) -> None:
    answer = await house.http.post("/auth/check", headers=await house.bearer())

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


# --- cookies: the original request is what another site's page may have made


@pytest.fixture
async def parlour() -> AsyncIterator[House]:
    async with issuing(transport="cookie", edge=Edge(cors_origins=(APP,))) as house:
        await house.user()
        yield house


async def cookie(house: House) -> dict[str, str]:
    """What a page of our own sends after its login."""
    login = {"email": "ada@example.com", "password": PASSWORD}
    answer = await house.http.post("/auth/login", json=login, headers={"origin": ISSUER})
    jar: Any = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        jar.load(header)
    return {"cookie": f"{AT}={jar[AT].value}", "x-csrf-token": jar[CSRF].value}


OWN = {"origin": ISSUER, "sec-fetch-site": "same-origin"}
FORWARDED, ORIGINAL = "x-forwarded-method", "x-original-method"
KEY = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13"}
PAGES = [
    # what the proxy says, what the page shows, whether it may pass
    ({FORWARDED: "GET"}, {}, True),
    ({FORWARDED: "HEAD"}, {}, True),
    ({ORIGINAL: "OPTIONS"}, {}, True),
    ({FORWARDED: "GET"}, {"origin": EVIL, "sec-fetch-site": "cross-site"}, True),
    ({FORWARDED: "POST"}, OWN, True),
    ({ORIGINAL: "DELETE"}, OWN, True),
    ({FORWARDED: "POST"}, {"origin": APP, "sec-fetch-site": "cross-site"}, True),
    ({FORWARDED: "POST"}, {"origin": ISSUER}, True),
    ({FORWARDED: "POST"}, {"sec-fetch-site": "same-origin"}, True),
    ({}, OWN, True),
    ({}, {}, False),
    ({}, {"origin": EVIL, "sec-fetch-site": "cross-site"}, False),
    ({FORWARDED: "POST"}, {}, False),
    ({FORWARDED: "POST"}, {"origin": ""}, False),
    ({FORWARDED: "POST"}, {"origin": EVIL}, False),
    ({FORWARDED: "POST"}, {"origin": EVIL, "x-forwarded-host": "evil.example", "host": "evil.example"}, False),
    ({FORWARDED: "POST"}, {**OWN, "x-csrf-token": "another"}, False),
    ({FORWARDED: "POST", ORIGINAL: "GET"}, {"origin": EVIL}, False),
    ({FORWARDED: "GET", ORIGINAL: "POST"}, {"origin": EVIL}, False),
    ({FORWARDED: "GET, POST"}, {"origin": EVIL}, False),
    ({FORWARDED: "get"}, {"origin": EVIL}, False),
    ({FORWARDED: ""}, {"origin": EVIL}, False),
    ({FORWARDED: "GET"}, {**KEY, "origin": ISSUER, "x-csrf-token": ""}, True),
    ({FORWARDED: "CONNECT"}, {**KEY, "origin": APP, "x-csrf-token": ""}, True),
    ({FORWARDED: "GET"}, {**KEY, "origin": EVIL}, False),
    ({FORWARDED: "GET"}, KEY, False),
    ({FORWARDED: "POST"}, {**KEY, "origin": ISSUER, "x-csrf-token": ""}, False),
]


@pytest.mark.parametrize(("proxy", "page", "passes"), PAGES)
async def test_a_cookie_passes_where_it_would_pass_here(
    parlour: House, proxy: dict[str, str], page: dict[str, str], *, passes: bool
) -> None:
    headers = {**await cookie(parlour), **proxy, **page}

    assert await asked(parlour, **headers) == ((204, "") if passes else (403, "cross_site"))


async def test_a_method_that_is_named_twice_is_the_one_that_changes_state(parlour: House) -> None:
    headers = [*(await cookie(parlour)).items(), (FORWARDED, "GET"), (FORWARDED, "DELETE"), ("origin", EVIL)]

    answer = await parlour.http.get("/auth/check", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


async def test_no_other_sites_page_can_send_a_header_so_nothing_is_asked_of_it(parlour: House) -> None:
    async with issuing(transport="both") as house:
        await house.user()
        header = await house.bearer()

        assert await asked(house, **header, **{FORWARDED: "POST", "origin": EVIL}) == (204, "")


async def test_in_bearer_mode_a_cookie_is_not_read(house: House) -> None:
    token = (await house.login())["access_token"]

    assert await asked(house, cookie=f"{AT}={token}", **{FORWARDED: "GET"}) == (401, "token_missing")


# --- places and profiles


@pytest.mark.parametrize("mount", ["", "/elsewhere"])
@pytest.mark.parametrize("prefix", ["", "/auth", "/account"])
async def test_it_answers_wherever_the_issuer_is(prefix: str, mount: str) -> None:
    async with issuing(prefix=prefix) as house:
        await house.user()
        header = await house.bearer()
        outer = Starlette(routes=[Mount(mount, house.app)])
        async with client(outer, ISSUER) as http:
            good = await http.get(f"{mount}{prefix}/check", headers=header)
            bad = await http.get(f"{mount}{prefix}/check")

    assert (good.status_code, bad.status_code) == (204, 401)


@pytest.mark.parametrize("profile", ["standard", "stateless", "classic", "camel"])
async def test_it_answers_in_every_profile(profile: str) -> None:
    async with issuing(profile) as house:
        user = await house.user()
        header = await house.bearer()
        answer = await house.http.get(f"{house.prefix}/check", headers=header)
        await users.disable(house.env, user.id)

        assert (answer.status_code, answer.headers["x-auth-subject"]) == (204, user.id)
        assert await asked(house, **header) == (401, "token_revoked")


async def test_it_is_described_with_its_repeated_names_and_its_headers(house: House) -> None:
    document = (await house.http.get("/openapi.json")).json()

    described = document["paths"]["/auth/check"]["get"]
    kinds = {each["name"]: each["schema"]["type"] for each in described["parameters"]}
    assert kinds == {"role": "array", "scope": "array", "audience": "array", "match": "string", "max_age": "string"}
    assert set(described["responses"]) == {"204", "400", "401", "403", "422", "503"}
    assert "X-Auth-Subject" in described["responses"]["204"]["headers"]


async def test_a_role_that_is_gone_is_gone_here_at_once(house: House) -> None:
    header = await house.bearer()
    house.clock.now += 1

    await roles.remove_role(house.env, "manager")

    assert await asked(house, "?role=manager", **header) == (401, "claims_stale")


def test_the_page_about_it_names_every_header_and_every_name_of_the_query() -> None:
    page = (Path(__file__).parents[2] / "docs" / "proxies.md").read_text("utf-8")

    assert dict(re.findall(r"^\| `(X-Auth-\w+)` \| `(\w+)`", page, re.MULTILINE)) == IDENTITY
    assert set(re.findall(r"^\| `([a-z_]+)` \| ", page, re.MULTILINE)) == set(QUERY)
