"""A whole issuer in a thread: real HTTP, real people, nothing left behind."""

import json
import socket
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from jotgate.errors import AudienceMismatch, IdentifierTaken, Misuse, Revoked, SettingsError, TokenError
from jotgate.guard.guard import Guard
from jotgate.testing import assert_refuses_bad_tokens
from jotgate.testing.live import LiveIssuer, Tokens, serve_in_thread
from tests.guard.standin import served, wait_for
from tests.testing.apps import fastapi_app

START_SECONDS = 0.5


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where temporary things lie meanwhile."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def get(issuer: LiveIssuer, path: str, tokens: Tokens | None = None) -> tuple[int, dict[str, object]]:
    connection = HTTPConnection("127.0.0.1", urlsplit(issuer.url).port or 0, timeout=20)
    try:
        connection.request("GET", path, headers={} if tokens is None else tokens.headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def left_behind(folder: Path) -> list[object]:
    threads = (thread.name for thread in threading.enumerate())
    return [name for name in threads if name == "jotgate-live"] + list(folder.iterdir())


def is_refused(guard: Guard, tokens: Tokens) -> bool:
    try:
        guard.verify(tokens.access_token)
    except Revoked:
        return True
    return False


def test_people_log_in_and_out() -> None:
    with serve_in_thread() as issuer:
        issuer.set_role("manager", "payments:read", "members:*")
        sub = issuer.add_user("ada@example.com", role="manager", name="Ada")
        guard = issuer.guard()

        tokens = issuer.login("ada@example.com")
        who = guard.verify(tokens.access_token)
        status, me = get(issuer, "/auth/me", tokens)
        issuer.logout(tokens)

        assert (who.sub, who.roles) == (sub, ("manager",))
        assert who.scopes == {"payments:read", "members:*"}
        assert (status, me["sub"], me["name"]) == (200, sub, "Ada")
        assert get(issuer, "/auth/me", tokens)[0] == 401
        wait_for(lambda: is_refused(guard, tokens))


def test_a_user_may_have_a_password_and_a_user_name_of_its_own() -> None:
    with serve_in_thread() as issuer:
        issuer.add_user(username="ada", password="a long enough passphrase", role=["manager", "trainer"])

        assert issuer.login("ada").refresh_token
        assert issuer.login("ada", "a long enough passphrase").access_token
        with pytest.raises(Misuse, match="401 invalid_credentials"):
            issuer.login("ada", "another passphrase")
        with pytest.raises(IdentifierTaken):
            issuer.add_user(username="ada")


@pytest.mark.parametrize("profile", ["standard", "stateless", "classic", "camel"])
def test_every_profile_is_served(profile: str) -> None:
    with serve_in_thread(profile=profile) as issuer:
        issuer.add_user(username="ada", email="ada@example.com", role="manager")

        who = issuer.guard().verify(issuer.login("ada").access_token)

    assert who.claims["iss"] == issuer.url
    assert who.roles == ("manager",)


def test_settings_are_arguments() -> None:
    with serve_in_thread(audience="gym,shop", access_ttl=60, feed_token="a-token-for-the-feed") as issuer:
        issuer.add_user("ada@example.com")
        tokens = issuer.login("ada@example.com")

        said = issuer.guard(audience="shop").verify(tokens.access_token).claims
        assert said["exp"] - said["iat"] == tokens.answer["expires_in"] == 60
        assert get(issuer, "/revocations")[0] == 401
        with pytest.raises(AudienceMismatch):
            issuer.guard(audience="bank").verify(tokens.access_token)


def test_the_environment_and_the_working_directory_say_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOTGATE_PROFILE", "classic")
    (tmp_path / "jotgate.toml").write_text('profile = "camel"\nport = 1\n')
    monkeypatch.chdir(tmp_path)

    with serve_in_thread() as issuer:
        assert get(issuer, "/readyz")[0] == 200
        assert get(issuer, "/openapi.json")[1]["paths"].keys() >= {"/auth/login"}  # type: ignore[attr-defined]


def test_nothing_is_left_when_it_stops(folder: Path) -> None:
    issuer = serve_in_thread()
    port = urlsplit(issuer.url).port or 0
    issuer.add_user("ada@example.com")
    guard = issuer.guard()
    guard.verify(issuer.login("ada@example.com").access_token)  # its courier waits for news now

    issuer.stop()
    issuer.stop()

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert left_behind(folder) == []


def test_a_wrong_setting_is_told_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(SettingsError, match="JOTGATE_ACCESS_TTL"):
        serve_in_thread(access_ttl="soon")

    assert left_behind(folder) == []


def test_two_at_once_are_strangers() -> None:
    with serve_in_thread() as one, serve_in_thread() as other:
        one.add_user("ada@example.com")
        tokens = one.login("ada@example.com")

        assert one.guard().verify(tokens.access_token)
        with pytest.raises(TokenError):
            other.guard().verify(tokens.access_token)


def test_a_service_anywhere_is_attacked_under_the_key_that_really_signs() -> None:
    with serve_in_thread() as issuer, served(fastapi_app(issuer.guard())) as url:
        assert len(issuer.bad_tokens()) >= 150
        assert_refuses_bad_tokens(url, "/managers", issuer=issuer, role="manager")


@pytest.mark.alone
def test_it_serves_within_half_a_second() -> None:
    serve_in_thread().stop()  # what is imported and made once a process
    begun = time.perf_counter()

    with serve_in_thread() as issuer:
        assert get(issuer, "/readyz")[0] == 200
        took = time.perf_counter() - begun

    assert took < START_SECONDS
