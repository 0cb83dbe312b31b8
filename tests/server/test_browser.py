"""The cookie transport: what is set, what a request that comes with cookies must show, and what never happens."""

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from jotgate.server.gate import Edge
from tests.server.issuing import ISSUER, PASSWORD, House, client, issuing

pytestmark = pytest.mark.anyio
APP = "https://app.example.com"
EVIL = "https://evil.example"
AT, RT, CSRF = "__Host-jotgate-at", "__Secure-jotgate-rt", "__Host-jotgate-csrf"
OWN = {"origin": ISSUER, "sec-fetch-site": "same-origin"}
LOGIN = {"email": "ada@example.com", "password": PASSWORD}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with issuing(transport="cookie", registration="open", edge=Edge(cors_origins=(APP,))) as house:
        await house.user()
        yield house


def jar(answer: httpx2.Response) -> dict[str, Any]:
    """The cookies that an answer sets, with their attributes."""
    parsed: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        parsed.load(header)
    return dict(parsed)


def cookies(answer: httpx2.Response, *names: str) -> dict[str, str]:
    """A request's headers of a page of our own, with some of the cookies that an answer has set."""
    there = jar(answer)
    pairs = "; ".join(f"{name}={there[name].value}" for name in names)
    return {**OWN, "cookie": pairs, "x-csrf-token": there[CSRF].value}


async def log_in(house: House) -> httpx2.Response:
    answer = await house.http.post("/auth/login", json=LOGIN, headers=OWN)
    assert answer.status_code == 200, answer.text
    return answer


# --- setting


async def test_tokens_travel_as_cookies_and_not_in_the_body(house: House) -> None:
    answer = await log_in(house)

    there = jar(answer)
    assert set(there) == {AT, RT, CSRF}
    assert set(answer.json()) == {"expires_in", "refresh_expires_in", "scope"}
    access, refresh, csrf = there[AT], there[RT], there[CSRF]
    assert (access["path"], access["samesite"], access["httponly"], access["secure"]) == ("/", "Lax", True, True)
    assert (refresh["path"], refresh["samesite"], refresh["httponly"]) == ("/auth/refresh", "Strict", True)
    assert refresh["secure"] is True
    assert (csrf["path"], csrf["httponly"], csrf["secure"]) == ("/", "", True)
    assert not access["domain"]
    assert access["max-age"] == csrf["max-age"] == refresh["max-age"] == "1209600"


async def test_on_plain_http_loopback_the_cookies_drop_prefix_and_secure() -> None:
    async with issuing(transport="cookie", issuer="http://127.0.0.1:8000") as house:
        await house.user()
        answer = await house.http.post("/auth/login", json=LOGIN, headers={"sec-fetch-site": "same-origin"})

    assert set(jar(answer)) == {"jotgate-at", "jotgate-rt", "jotgate-csrf"}
    assert "secure" not in str(answer.headers.get_list("set-cookie")).lower()


async def test_the_refresh_cookie_knows_where_we_are_mounted() -> None:
    async with issuing(transport="cookie", issuer="https://example.com/id") as house:
        await house.user()
        outer = Starlette(routes=[Mount("/elsewhere", house.app)])
        own = {"origin": "https://example.com"}
        async with client(outer, "https://example.com") as http:
            mounted = await http.post("/elsewhere/auth/login", json=LOGIN, headers=own)
        stripped = await house.http.post("https://example.com/auth/login", json=LOGIN, headers=own)
        unstripped = await house.http.post("https://example.com/id/auth/login", json=LOGIN, headers=own)

    assert jar(mounted)[RT]["path"] == "/elsewhere/auth/refresh"
    assert jar(stripped)[RT]["path"] == jar(unstripped)[RT]["path"] == "/id/auth/refresh"


async def test_in_bearer_mode_cookies_are_neither_set_nor_read() -> None:
    async with issuing() as house:
        await house.user()
        token = (await house.login())["access_token"]
        answer = await house.http.get("/auth/me", headers={"cookie": f"{AT}={token}"})

    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


# --- who may log in and register

FOREIGN = [
    {},
    {"origin": EVIL},
    {"origin": "null"},
    {"origin": EVIL, "sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"origin": "http://auth.example.com"},
    {"origin": "https://auth.example.com.evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
async def test_another_sites_page_neither_logs_in_nor_registers(
    house: House, path: str, headers: dict[str, str]
) -> None:
    body = LOGIN if path == "/auth/login" else {"email": "new@example.com", "password": PASSWORD}

    answer = await house.http.post(path, json=body, headers=headers)

    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (403, "forbidden", "cross_site")
    assert "set-cookie" not in answer.headers
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        {"origin": ISSUER},
        {"sec-fetch-site": "same-origin"},
        {"origin": APP, "sec-fetch-site": "same-site"},
        {"origin": APP, "sec-fetch-site": "cross-site"},
        {"origin": "https://other-name.example", "host": "other-name.example"},  # by the name that the browser sees
    ],
)
async def test_our_own_pages_and_listed_ones_log_in(house: House, headers: dict[str, str]) -> None:
    answer = await house.http.post("/auth/login", json=LOGIN, headers=headers)

    assert answer.status_code == 200


async def test_two_origins_are_none(house: House) -> None:
    headers = [("origin", ISSUER), ("origin", ISSUER)]

    answer = await house.http.post("/auth/login", json=LOGIN, headers=headers)

    assert answer.status_code == 400


# --- with cookies


async def test_reading_needs_the_cookie_alone(house: House) -> None:
    there = jar(await log_in(house))

    answer = await house.http.get("/auth/me", headers={"cookie": f"{AT}={there[AT].value}"})

    assert answer.status_code == 200


CHANGES = [
    ("POST", "/auth/logout-all", None),
    ("POST", "/auth/logout", None),
    ("POST", "/auth/password", {"current_password": PASSWORD, "new_password": "another long phrase 12"}),
    ("DELETE", "/auth/sessions/{sid}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize(
    "without",
    [
        {"x-csrf-token": None},
        {"x-csrf-token": "wrong"},
        {"x-csrf-token": ""},
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": None, "sec-fetch-site": "cross-site"},
        {"origin": None, "sec-fetch-site": None},
    ],
)
async def test_a_change_by_cookie_needs_the_same_origin_and_the_csrf_value(
    house: House, method: str, path: str, body: Any, without: dict[str, str | None]
) -> None:
    login = await log_in(house)
    headers = cookies(login, AT, CSRF)
    sid = (await house.http.get("/auth/me", headers=headers)).json()["sid"]
    spoilt = {name: value for name, value in (headers | without).items() if value is not None}

    refused = await house.http.request(method, path.format(sid=sid), json=body, headers=spoilt)
    alive = await house.http.get("/auth/me", headers=headers)
    done = await house.http.request(method, path.format(sid=sid), json=body, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
    assert alive.status_code == 200
    assert done.status_code == 204


async def test_a_header_of_ones_own_needs_no_csrf_value() -> None:
    async with issuing(transport="both") as house:
        await house.user()
        bearer = await house.bearer()

        answer = await house.http.post("/auth/logout-all", headers=bearer)

    assert answer.status_code == 204


async def test_two_credentials_that_differ_are_refused(house: House) -> None:
    login = await log_in(house)
    there = jar(login)

    twice = await house.http.get("/auth/me", headers={"cookie": f"{AT}={there[AT].value}; {AT}=other"})
    differ = await house.http.get(
        "/auth/me", headers={"cookie": f"{AT}={there[AT].value}", "authorization": "Bearer a.b.c"}
    )
    same = await house.http.get(
        "/auth/me", headers={"cookie": f"{AT}={there[AT].value}", "authorization": f"Bearer {there[AT].value}"}
    )

    assert (twice.status_code, twice.json()["code"]) == (400, "credentials_ambiguous")
    assert (differ.status_code, differ.json()["code"]) == (400, "credentials_ambiguous")
    assert same.status_code == 200


# --- refresh


async def test_a_refresh_by_cookie_sets_the_next_cookies(house: House) -> None:
    login = await log_in(house)
    house.clock.now += 5000  # the access token is over

    answer = await house.http.post("/auth/refresh", headers=cookies(login, AT, RT, CSRF))

    before, after = jar(login), jar(answer)
    assert answer.status_code == 200
    assert set(answer.json()) == {"expires_in", "refresh_expires_in", "scope"}
    assert {name for name in after if after[name].value != before[name].value} == {AT, RT, CSRF}
    assert (await house.http.get("/auth/me", headers=cookies(answer, AT))).status_code == 200


@pytest.mark.parametrize(
    "without",
    [{"x-csrf-token": None}, {"x-csrf-token": "wrong"}, {"origin": EVIL}, {"origin": None, "sec-fetch-site": None}],
)
async def test_a_refresh_by_cookie_needs_the_same_origin_and_the_csrf_value(
    house: House, without: dict[str, str | None]
) -> None:
    headers = cookies(await log_in(house), AT, RT, CSRF)
    spoilt = {name: value for name, value in (headers | without).items() if value is not None}

    refused = await house.http.post("/auth/refresh", headers=spoilt)
    done = await house.http.post("/auth/refresh", headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
    assert "set-cookie" not in refused.headers
    assert done.status_code == 200


async def test_a_failed_refresh_never_touches_the_cookies(house: House) -> None:
    login = await log_in(house)
    second = await house.http.post("/auth/refresh", headers=cookies(login, AT, RT, CSRF))
    await house.http.post("/auth/refresh", headers=cookies(second, AT, RT, CSRF))

    replay = await house.http.post("/auth/refresh", headers=cookies(login, AT, RT, CSRF))
    over = await house.http.post("/auth/refresh", headers=cookies(second, AT, RT, CSRF))
    none = await house.http.post("/auth/refresh", headers=OWN)

    assert [answer.json()["code"] for answer in (replay, over, none)] == [
        "refresh_replayed",
        "refresh_invalid",
        "refresh_invalid",
    ]
    assert all("set-cookie" not in answer.headers for answer in (replay, over, none))


async def test_where_tokens_are_cookies_one_in_the_body_is_not_used_up(house: House) -> None:
    login = await log_in(house)
    body = {"refresh_token": jar(login)[RT].value}

    by_body = await house.http.post("/auth/refresh", json=body, headers=OWN)
    by_cookie = await house.http.post("/auth/refresh", headers=cookies(login, AT, RT, CSRF))

    assert (by_body.status_code, by_body.json()["code"]) == (401, "refresh_invalid")
    assert by_cookie.status_code == 200


# --- logout


async def test_a_logout_clears_the_cookies_where_they_were_set(house: House) -> None:
    login = await log_in(house)

    answer = await house.http.post("/auth/logout", headers=cookies(login, AT, CSRF))

    cleared = jar(answer)
    assert answer.status_code == 204
    assert {name: (cookie.value, cookie["max-age"]) for name, cookie in cleared.items()} == dict.fromkeys(
        (AT, RT, CSRF), ("", "0")
    )
    assert (cleared[AT]["path"], cleared[RT]["path"]) == ("/", "/auth/refresh")
    after = await house.http.post("/auth/refresh", headers=cookies(login, AT, RT, CSRF))
    assert after.status_code == 401


async def test_a_logout_with_an_expired_cookie_ends_the_session_too(house: House) -> None:
    login = await log_in(house)
    house.clock.now += 5000

    answer = await house.http.post("/auth/logout", headers=cookies(login, AT, CSRF))

    assert answer.status_code == 204
    after = await house.http.post("/auth/refresh", headers=cookies(login, AT, RT, CSRF))
    assert after.status_code == 401


@pytest.mark.parametrize("token", [None, "nonsense", "a.b.c"])
async def test_a_logout_without_a_good_cookie_clears_what_there_is(house: House, token: str | None) -> None:
    headers = OWN if token is None else OWN | {"cookie": f"{AT}={token}"}

    answer = await house.http.post("/auth/logout", headers=headers)

    assert answer.status_code == 204
    assert set(jar(answer)) == {AT, RT, CSRF}


async def test_another_sites_page_cannot_clear_them(house: House) -> None:
    answer = await house.http.post("/auth/logout", headers={"origin": EVIL, "sec-fetch-site": "cross-site"})

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert "set-cookie" not in answer.headers


# --- both


async def test_both_gives_programs_a_body_and_browsers_cookies_besides() -> None:
    async with issuing(transport="both", edge=Edge(cors_origins=(APP,))) as house:
        await house.user()
        program = await house.http.post("/auth/login", json=LOGIN)
        browser = await house.http.post("/auth/login", json=LOGIN, headers=OWN)
        foreign = await house.http.post("/auth/login", json=LOGIN, headers={"origin": EVIL})
        by_body = await house.http.post("/auth/refresh", json={"refresh_token": program.json()["refresh_token"]})
        by_cookie = await house.http.post("/auth/refresh", headers=cookies(browser, AT, RT, CSRF))
        both = await house.http.post(
            "/auth/refresh",
            json={"refresh_token": by_body.json()["refresh_token"]},
            headers=cookies(by_cookie, AT, RT, CSRF),
        )

    assert (program.status_code, jar(program)) == (200, {})
    assert program.json()["access_token"]
    assert set(jar(browser)) == {AT, RT, CSRF}
    assert browser.json()["access_token"] == jar(browser)[AT].value
    assert foreign.status_code == 403
    assert (by_body.status_code, jar(by_body)) == (200, {})
    assert set(jar(by_cookie)) == {AT, RT, CSRF}
    assert (both.status_code, both.json()["code"]) == (400, "credentials_ambiguous")


async def test_credentials_cross_origins_only_with_cookies() -> None:
    for transport, there in (("bearer", False), ("cookie", True), ("both", True)):
        async with issuing(transport=transport, edge=Edge(cors_origins=(APP,))) as house:
            answer = await house.http.get("/healthz", headers={"origin": APP})

        assert ("access-control-allow-credentials" in answer.headers) is there
