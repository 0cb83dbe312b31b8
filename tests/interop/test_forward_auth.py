"""nginx, Caddy and Traefik ask a running issuer about each request: what reaches the application, and what does not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.guard.standin import served, wait_for
from tests.interop.asking import ask, opened
from tests.interop.behind import Behind
from tests.interop.proxies import ASKING, Place
from tests.live.process import Server, free_port, serving

PASSWORD = "a slow brown dog 47"
AT, CSRF = "jotgate-at", "jotgate-csrf"


@dataclass(frozen=True)
class Standing:
    port: int
    issuer: Server
    behind: Behind

    def token(self, name: str = "ada") -> str:
        """Of somebody who has just logged in."""
        with self.issuer.api() as api:
            return str(api.login(f"{name}@example.com", PASSWORD)["access_token"])

    def cookies(self) -> dict[str, str]:
        """Of a browser that has just logged in."""
        body = {"email": "ada@example.com", "password": PASSWORD}
        answer = httpx2.post(f"{self.issuer.url}/auth/login", json=body, headers={"origin": self.issuer.url})
        return dict(answer.cookies)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("issuer"), TRANSPORT="both", AUDIENCE="gym,pool") as server:
        server.cli("role", "set", "manager", "members:*")
        for name, more in (("ada", ("--role", "manager")), ("bob", ())):
            server.cli("user", "add", "--email", f"{name}@example.com", *more, "--password-stdin", given=PASSWORD)
        yield server


@pytest.fixture(scope="module", params=ASKING)
def proxy(
    request: pytest.FixtureRequest, issuer: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    behind, port = Behind(), free_port()
    with served(behind) as app:
        place = Place(tmp_path_factory.mktemp("proxy"), port, issuer.url[7:], app[7:])
        with ASKING[request.param](place):
            standing = Standing(port, issuer, behind)
            wait_for(lambda: ask(port).status == 401)  # Traefik listens before it has read its routes
            yield standing


def test_a_good_token_passes_and_the_application_hears_who_it_is(proxy: Standing) -> None:
    me = json.loads(ask(proxy.port, "/auth/me", token=proxy.token()).body)

    seen = ask(proxy.port, "/members?page=2", token=proxy.token()).seen

    headers = seen["headers"].items()
    told = {name: values for name, values in headers if name.startswith("x-auth-") and values != [""]}
    assert (seen["method"], seen["path"]) == ("GET", "/members")
    assert told["x-auth-subject"] == [me["sub"]]
    assert told["x-auth-roles"] == ["manager"]
    assert told["x-auth-scope"] == ["members:*"]
    assert told.keys() == {"x-auth-subject", "x-auth-session", "x-auth-roles", "x-auth-scope"}


def test_no_token_and_bad_ones_are_401_with_the_challenge_and_reach_nothing(proxy: Standing) -> None:
    token = proxy.token()
    before = proxy.behind.reached

    missing = ask(proxy.port, "/members")
    bad = ask(proxy.port, "/members", token=token[:-9] + "AAAAAAAAA")

    assert (missing.status, missing.headers["www-authenticate"]) == (401, 'Bearer realm="jotgate"')
    assert bad.status == 401
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    assert proxy.behind.reached == before


def test_a_logout_counts_at_once(proxy: Standing) -> None:
    token = proxy.token()
    assert ask(proxy.port, token=token).status == 200

    assert ask(proxy.port, "/auth/logout", token=token, method="POST").status == 204

    assert ask(proxy.port, token=token).status == 401


def test_a_place_for_managers_is_for_managers_by_whatever_name(proxy: Standing) -> None:
    assert not opened(proxy.port, proxy.token("bob"))
    assert {"/managers", "/managers/list"} <= opened(proxy.port, proxy.token("ada"))


def test_a_token_for_another_audience_is_refused(proxy: Standing) -> None:
    with proxy.issuer.api() as api:
        body = {"email": "ada@example.com", "password": PASSWORD, "audience": "pool"}
        token = api.post("/auth/login", body).json["access_token"]

    assert ask(proxy.port, token=token).status == 401


@pytest.mark.parametrize("name", ["X-Auth-Email", "x-auth-roles", "X_Auth_Roles", "X-Auth_Email", "x_auth-name"])
def test_nobody_says_who_they_are_by_a_header(proxy: Standing, name: str) -> None:
    seen = ask(proxy.port, headers=[(name, "admin")], token=proxy.token("bob")).seen

    assert "admin" not in str(seen["headers"])


def test_method_and_body_reach_the_application_and_not_the_issuer(proxy: Standing) -> None:
    said = ask(proxy.port, "/members", token=proxy.token(), method="POST", body="x" * 100_000)

    assert (said.seen["method"], len(said.seen["body"])) == ("POST", 100_000)


@pytest.mark.parametrize("query", ["?access_token={}", "?token={}"])
def test_a_token_in_the_query_is_none(proxy: Standing, query: str) -> None:
    assert ask(proxy.port, "/" + query.format(proxy.token())).status == 401


# --- cookies


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_by_cookie_only_a_page_of_ours_changes_anything(proxy: Standing, method: str) -> None:
    jar = proxy.cookies()
    cookie = ("Cookie", f"{AT}={jar[AT]}")
    ours = [cookie, ("Origin", proxy.issuer.url), ("X-CSRF-Token", jar[CSRF])]
    theirs = [cookie, ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
    lies = [("X-Forwarded-Method", "GET"), ("X-Original-Method", "GET"), ("X-Forwarded-Host", "evil.example")]
    before = proxy.behind.reached

    refused = [ask(proxy.port, headers=headers, method=method).status for headers in (theirs, [*theirs, *lies])]
    reached = proxy.behind.reached
    passed = ask(proxy.port, headers=ours, method=method).status
    read = ask(proxy.port, headers=[cookie]).status

    assert (refused, reached) == ([403, 403], before)
    assert (passed, read) == (200, 200)


def test_another_sites_page_opens_no_websocket_by_cookie(proxy: Standing) -> None:
    jar = proxy.cookies()
    handshake = [
        ("Cookie", f"{AT}={jar[AT]}"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ]
    before = proxy.behind.reached

    said = ask(proxy.port, headers=[*handshake, ("Origin", "https://evil.example")])

    assert (said.status, proxy.behind.reached) == (403, before)


# --- without an issuer


@pytest.mark.parametrize("name", ASKING)
def test_without_an_issuer_nobody_passes(name: str, tmp_path: Path) -> None:
    behind, port = Behind(), free_port()
    with served(behind) as app, ASKING[name](Place(tmp_path, port, f"127.0.0.1:{free_port()}", app[7:])):
        wait_for(lambda: ask(port).status != 404)  # Traefik listens before it has read its routes

        said = ask(port, token="a.b.c")

    assert said.status >= 500
    assert behind.reached == 0
