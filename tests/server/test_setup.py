"""The set-up page: one link, one administrator, no script."""

import re
from html import unescape

import pytest
from starlette.types import Receive, Scope, Send

from jotgate.flows import setup
from tests.server.issuing import PASSWORD, House, client, issuing

pytestmark = pytest.mark.anyio
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def test_the_page_needs_no_script_and_is_not_stored(house: House) -> None:
    token = await setup.make(house.env)

    answer = await house.http.get("/auth/setup", params={"token": token})

    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert re.search(r"style-src 'sha256-[A-Za-z0-9+/=]+'", policy)
    assert "<script" not in answer.text
    assert f'value="{token}"' in answer.text


async def test_the_form_makes_the_administrator_once(house: House) -> None:
    token = await setup.make(house.env)
    form = {"token": token, "email": "Root@example.com", "password": PASSWORD}

    made = await house.http.post("/auth/setup", data=form)
    done = await house.http.get(made.request.url.join(made.headers["location"]))
    again = await house.http.post("/auth/setup", data=form | {"email": "other@example.com"})
    root = await house.http.post("/auth/login", json={"email": "root@example.com", "password": PASSWORD})
    bearer = {"authorization": f"Bearer {root.json()['access_token']}"}
    listed = await house.http.get("/auth/admin/users", headers=bearer)

    assert (made.status_code, made.headers["location"]) == (303, "?done")
    assert "administrator was created" in done.text
    assert again.status_code == 422
    assert "was used" in again.text
    assert [user["email"] for user in listed.json()["users"]] == ["root@example.com"]


@pytest.mark.parametrize("base", ["/über uns", "//evil.example.com", "/a/b"])
async def test_wherever_it_is_mounted_the_form_leads_back_to_where_it_stood(house: House, base: str) -> None:
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await house.app({**scope, "root_path": base, "path": base + scope["path"]}, receive, send)

    token = await setup.make(house.env)
    async with client(mounted) as http:
        made = await http.post("/auth/setup", data={"token": token, "email": "root@example.com", "password": PASSWORD})

    assert (made.status_code, made.headers["location"]) == (303, "?done")


async def test_json_does_the_same(house: House) -> None:
    token = await setup.make(house.env)
    body = {"token": token, "email": "root@example.com", "password": PASSWORD}

    made = await house.http.post("/auth/setup", json=body)
    again = await house.http.post("/auth/setup", json=body | {"email": "other@example.com"})

    assert (made.status_code, made.json()["roles"]) == (201, ["admin"])
    assert (again.status_code, again.json()["field"]) == (422, "token")


async def test_looking_at_the_page_uses_nothing_up(house: House) -> None:
    token = await setup.make(house.env)
    for _ in range(3):
        await house.http.get("/auth/setup", params={"token": token})
    await house.http.head("/auth/setup", params={"token": token})

    made = await house.http.post("/auth/setup", data={"token": token, "email": "r@example.com", "password": PASSWORD})

    assert made.status_code == 303


async def test_the_link_ends_after_half_an_hour(house: House) -> None:
    form = {"token": await setup.make(house.env), "email": "root@example.com", "password": PASSWORD}
    house.clock.now += setup.LINK_SECONDS

    answer = await house.http.post("/auth/setup", data=form)

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "short"}, "12 characters"),
        ({"email": "no address"}, "spaces and invisible"),
        ({"token": "wrong"}, "set-up link"),
    ],
)
async def test_what_is_wrong_is_said_on_the_page_and_the_rest_is_kept(
    house: House, change: dict[str, str], told: str
) -> None:
    form = {"token": await setup.make(house.env), "email": "root@example.com", "password": PASSWORD} | change

    answer = await house.http.post("/auth/setup", data=form)

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert told in unescape(answer.text)
    assert f'value="{form["email"]}"' in answer.text
    assert form["password"] not in answer.text


async def test_what_was_typed_cannot_break_out_of_the_page(house: House) -> None:
    evil = '"><script>alert(1)</script>{0}{token}'

    shown = await house.http.get("/auth/setup", params={"token": evil})
    again = await house.http.post("/auth/setup", data={"token": evil, "email": evil, "password": PASSWORD})

    for answer in (shown, again):
        assert "<script>" not in answer.text
        assert "&lt;script&gt;" in answer.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"token=a&token=b", 400),
        (b"token=%ff", 400),
        (b"token=a", 422),
        (b"", 422),
        (b"x" * 70_000, 413),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused(house: House, content: bytes, status: int) -> None:
    answer = await house.http.post("/auth/setup", content=content, headers=FORM)

    assert answer.status_code == status


async def test_without_a_token_the_page_says_where_the_link_is(house: House) -> None:
    answer = await house.http.get("/auth/setup")

    assert answer.status_code == 200
    assert "<form" not in answer.text


async def test_under_a_shared_secret_there_is_no_set_up() -> None:
    async with issuing("classic") as house:
        assert (await house.http.get("/auth/setup")).status_code == 404
