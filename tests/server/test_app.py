"""The application as a whole: methods, mounting, errors, figures and the log."""

import json
import logging
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Message

from jotgate.errors import StartError, Unavailable
from jotgate.flows import users
from jotgate.server.app import Application
from jotgate.server.gate import Edge
from tests.server.issuing import PASSWORD, House, Opener, client, issuing

pytestmark = pytest.mark.anyio
APP = "https://app.example.com"


async def test_an_unknown_path_is_404_in_our_form(house: House) -> None:
    answer = await house.http.get("/nowhere")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/auth/login", "POST, OPTIONS"),
        ("DELETE", "/auth/me", "GET, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("PUT", "/auth/sessions/x", "DELETE, OPTIONS"),
        ("HEAD", "/auth/login", "POST, OPTIONS"),
        ("BREW", "/auth/setup", "GET, POST, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_is_not_there_is_405_with_allow(house: House, method: str, path: str, allow: str) -> None:
    answer = await house.http.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert method == "HEAD" or answer.json()["code"] == "method_not_allowed"


async def test_head_is_get_without_its_body(house: House) -> None:
    get, head = await house.http.get("/.well-known/jwks.json"), await house.http.head("/.well-known/jwks.json")

    assert head.status_code == 200
    assert head.content == b""
    assert dict(head.headers) == dict(get.headers)


async def test_options_says_what_is_allowed(house: House) -> None:
    answer = await house.http.options("/auth/sessions")

    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_a_preflight_is_answered_for_listed_origins_alone() -> None:
    async with issuing(edge=Edge(cors_origins=(APP,))) as house:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        listed = await house.http.options("/auth/login", headers={"origin": APP, **asked})
        other = await house.http.options("/auth/login", headers={"origin": "https://evil.example", **asked})

    assert listed.status_code == other.status_code == 204
    assert listed.headers["access-control-allow-origin"] == APP
    assert listed.headers["access-control-allow-methods"] == "POST"
    assert "Authorization" in listed.headers["access-control-allow-headers"]
    assert listed.headers["access-control-max-age"] == "600"
    assert not [name for name in other.headers if name.startswith("access-control")]


async def test_errors_can_be_read_across_listed_origins() -> None:
    async with issuing(edge=Edge(cors_origins=(APP,))) as house:
        answer = await house.http.get("/auth/me", headers={"origin": APP})

    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == APP
    assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("frame", ["starlette", "fastapi"])
async def test_it_works_mounted_where_nobody_runs_its_lifespan(frame: str) -> None:
    async with issuing() as house:
        await house.user()
        outer: Any = Starlette(routes=[Mount("/", house.app)]) if frame == "starlette" else FastAPI()
        if frame == "fastapi":
            outer.mount("/", house.app)
        async with client(outer) as http:
            answer = await http.post("/auth/login", json={"email": "ada@example.com", "password": PASSWORD})

    assert answer.status_code == 200


async def test_it_works_mounted_below_a_path_and_says_so_in_its_own_urls() -> None:
    async with issuing(issuer="https://example.com/id") as house:
        await house.user()
        outer = Starlette(routes=[Mount("/id", house.app)])
        async with client(outer, "https://example.com") as http:
            login = await http.post("/id/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
            metadata = await http.get("/id/.well-known/oauth-authorization-server")
            keys = await http.get(metadata.json()["jwks_uri"])

    assert login.status_code == 200
    assert metadata.json()["issuer"] == "https://example.com/id"
    assert keys.json()["keys"]


async def test_an_issuer_with_a_path_answers_there_too_when_a_proxy_strips_nothing() -> None:
    async with issuing(issuer="https://example.com/id") as house:
        at_issuer = await house.http.get("https://example.com/id/.well-known/jwks.json")
        inserted = await house.http.get("https://example.com/.well-known/oauth-authorization-server/id")

    assert at_issuer.status_code == 200
    assert inserted.json()["issuer"] == "https://example.com/id"  # RFC 8414 section 3.1


async def test_a_websocket_is_refused(house: House) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await house.app({"type": "websocket", "path": "/"}, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_what_goes_wrong_inside_is_500_without_details(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await house.user()
    bearer = await house.bearer()

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("something inside")

    monkeypatch.setattr(users, "get", broken)

    answer = await house.http.get("/auth/me", headers=bearer)

    assert answer.status_code == 500
    assert answer.json() == {
        "error": "server_error",
        "error_description": "Something went wrong",
        "code": "internal",
    }
    assert "ZeroDivisionError" in caplog.text


async def test_a_database_that_is_away_is_503_with_a_time_to_come_back(house: House) -> None:
    await house.user()
    tokens = await house.login()
    await house.env.store.close()

    answers = [
        await house.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}),
        await house.http.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]}),
        await house.http.get("/readyz"),
        await house.http.get("/revocations"),
    ]

    assert [answer.status_code for answer in answers] == [503] * 4
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert (await house.http.get("/healthz")).status_code == 200


async def test_a_start_that_failed_is_503_and_tried_again(house: House) -> None:
    app = Application(house.env.policy, Opener(house.env, StartError("the disk is not there yet")))
    async with client(app) as http:
        first = await http.get("/readyz")
        app._lifetime._retry_at = 0  # a second later
        second = await http.get("/readyz")
    await app.stop()

    assert (first.status_code, first.headers["retry-after"]) == (503, "1")
    assert "disk" not in first.text
    assert second.status_code == 200


async def test_a_start_that_failed_is_not_tried_again_with_every_request(house: House) -> None:
    opener = Opener(house.env, *[Unavailable("locked")] * 5)
    async with client(Application(house.env.policy, opener)) as http:
        answers = [await http.get("/readyz") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [503] * 5
    assert opener.opened == 1


async def test_the_access_log_has_the_route_and_nothing_that_was_sent(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await house.user()
    tokens = await house.login()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}

    await house.http.get("/auth/me?access_token=secret-in-query", headers=bearer)
    await house.http.get("/secret-path")
    await house.http.delete("/auth/sessions/secret-id", headers=bearer)

    ours = [record for record in caplog.records if record.name.startswith("jotgate")]
    lines = [record for record in ours if record.name == "jotgate.access"]
    facts = [(record.method, record.route, record.status, record.code) for record in lines]  # type: ignore[attr-defined]
    assert ("POST", "/auth/login", 200, "") in facts
    assert ("GET", "/auth/me", 200, "") in facts
    assert ("-", "-", 404, "not_found") in facts
    assert ("DELETE", "/auth/sessions/{id}", 404, "not_found") in facts
    everything = json.dumps([vars(record) for record in ours], default=str)
    for secret in (*tokens.values(), "secret-", PASSWORD):
        assert not isinstance(secret, str) or not secret or secret not in everything


async def test_the_client_address_comes_through_trusted_proxies() -> None:
    async with issuing(edge=Edge(trusted_proxies=("192.0.2.0/24",))) as house:
        await house.user()
        await house.http.post(
            "/auth/login",
            json={"email": "ada@example.com", "password": PASSWORD},
            headers=[("x-forwarded-for", "8.8.8.8"), ("x-forwarded-for", "203.0.113.9")],
        )
        own = await house.http.get("/auth/sessions", headers=await house.bearer())

    assert {session["address"] for session in own.json()["sessions"]} == {"203.0.113.9", "192.0.2.7"}


async def test_failed_logins_and_replays_are_logged_as_warnings(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.user()

    await house.http.post("/auth/login", json={"email": "ada@example.com", "password": "not the password"})

    lines = [record for record in caplog.records if record.name == "jotgate.access"]
    assert [(line.levelname, line.code, line.detail) for line in lines] == [  # type: ignore[attr-defined]
        ("WARNING", "invalid_credentials", "wrong password")
    ]
