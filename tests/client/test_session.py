"""Sessions at a real issuer: how they begin, stay and end."""

import asyncio
import logging
from pathlib import Path

import pytest

from jotgate.client import ClientSession, Issuer
from jotgate.errors import (
    GrantError,
    Invalid,
    LoginError,
    Misuse,
    NotFound,
    Replayed,
    TokenFileRefused,
    Unavailable,
)
from tests.client.conftest import Client
from tests.client.wire import Fate, Wire, http
from tests.live.people import PASSWORD
from tests.live.process import Server, serving
from tests.live.talk import bearer

LIFE = 900


def status(server: Server, token: str) -> int:
    with server.api() as api:
        return api.get("/auth/me", headers=bearer(token)).status


def test_a_login_gives_a_token_that_is_kept_until_it_is_due(client: Client, server: Server, wire: Wire) -> None:
    session = client.login()

    first, second = session.token(), session.token()

    assert first == second
    assert status(server, first) == 200
    assert len(wire.asked) == 1


def test_the_same_in_a_task(client: Client, server: Server) -> None:
    async def whole_life() -> tuple[str, str]:
        session = await ClientSession.alogin(client.issuer, email=client.email, password=PASSWORD)
        first = await session.atoken()
        second = await session.arenew()
        await session.alogout()
        with pytest.raises(GrantError):
            await session.atoken()
        return first, second

    first, second = asyncio.run(whole_life())

    assert first != second
    assert status(server, second) == 401


def test_a_due_token_is_sent_while_it_is_renewed_beside(client: Client, wire: Wire) -> None:
    session = client.login()
    before = session.token()

    client.clock.ahead = LIFE - 60
    sent = session.token()
    after = session.renew(before)  # shares the flight

    assert sent == before
    assert after != before
    assert session.token() == after
    assert len(wire.refreshes) == 1


def test_a_spent_token_is_renewed_first(client: Client, wire: Wire) -> None:
    session = client.login()
    before = session.token()

    client.clock.ahead = LIFE + 3600

    assert session.token() != before
    assert len(wire.refreshes) == 1


@pytest.mark.parametrize("minutes", [10, -10, 60 * 24 * 365])
def test_a_clock_that_is_wrong_makes_no_difference(client: Client, wire: Wire, minutes: int) -> None:
    client.clock.ahead = minutes * 60

    session = client.login()
    before = session.token()
    client.clock.ahead += LIFE / 2
    half = session.token()
    client.clock.ahead += LIFE / 2
    after = session.token()

    assert abs(session.tokens.offset + minutes * 60 + LIFE) <= 2
    assert half == before
    assert after != before
    assert len(wire.refreshes) == 1


@pytest.mark.parametrize("fate", [Fate.LOSE, Fate.CUT, Fate.REFUSE, http(503), http(200, b"<html>"), http(429)])
def test_an_answer_that_does_not_arrive_is_asked_for_again(client: Client, wire: Wire, fate: Fate | bytes) -> None:
    session = client.login()
    before = session.token()
    wire.fate = lambda path, number: fate if (path, number) == ("/auth/refresh", 0) else Fate.PASS

    after = session.renew()

    assert after != before
    assert len(wire.to("/auth/refresh")) == 2
    assert len({one.body["refresh_token"] for one in wire.to("/auth/refresh")}) == 1
    assert session.renew() != after


def test_a_lost_answer_gives_the_same_successor(client: Client, wire: Wire) -> None:
    session = client.login()
    lost: list[bytes] = []
    forward = wire._forwarded

    def noting(request: bytes) -> bytes:
        lost.append(answer := forward(request))
        return answer

    wire._forwarded = noting  # type: ignore[method-assign]  # it listens, and changes nothing
    wire.fate = lambda _path, number: Fate.LOSE if number == 0 else Fate.PASS

    session.renew()

    assert str(session.tokens.refresh).encode() in lost[0]


@pytest.mark.parametrize("ended", ["logout", "password"])
def test_a_session_that_ended_elsewhere_is_a_clear_error_and_no_loop(
    newcomer: Client, server: Server, wire: Wire, ended: str
) -> None:
    session = newcomer.login()
    with server.api() as api:
        if ended == "logout":
            api.post("/auth/logout", {"refresh_token": session.tokens.refresh})
        else:
            body = {"current_password": PASSWORD, "new_password": "another long passphrase"}
            another = api.login(newcomer.email, PASSWORD)["access_token"]
            assert api.post("/auth/password", body, headers=bearer(another)).status == 204

    for _ in range(3):
        with pytest.raises(GrantError, match="log in again"):
            session.renew()
        with pytest.raises(GrantError, match="log in again"):
            session.token()

    assert len(wire.refreshes) == 1


def test_a_replay_is_said_as_such(client: Client, server: Server) -> None:
    session = client.login()
    with server.api() as api:
        token = session.tokens.refresh
        for _ in range(3):
            token = api.post("/auth/refresh", {"refresh_token": token}).json["refresh_token"]

    with pytest.raises(Replayed):
        session.renew()


def test_logout_ends_the_session_at_the_issuer_and_here(client: Client, server: Server, wire: Wire) -> None:
    session = client.login()
    token = session.token()

    session.logout()
    session.logout()

    with pytest.raises(GrantError, match="logged out"):
        session.token()
    assert status(server, token) == 401
    assert len(wire.to("/auth/logout")) == 1


def test_a_logout_while_a_refresh_is_under_way_is_final(client: Client, wire: Wire) -> None:
    session = client.login()

    def log_out_first(path: str, _number: int) -> Fate:
        if path == "/auth/refresh":
            wire.fate = lambda _path, _number: Fate.PASS
            session.logout()
            return Fate.PASS
        raise AssertionError(path)

    wire.fate = log_out_first

    with pytest.raises(GrantError):
        session.renew()
    with pytest.raises(GrantError, match="logged out"):
        session.token()


def test_a_logout_that_cannot_be_told_is_no_logout(client: Client, wire: Wire) -> None:
    session = client.login()
    quick = ClientSession.from_tokens(Issuer(wire.url, patience_seconds=0), session.token(), session.tokens.refresh)
    wire.fate = lambda _path, _number: Fate.REFUSE

    with pytest.raises(Unavailable):
        quick.logout()

    wire.fate = lambda _path, _number: Fate.PASS
    assert quick.token()
    quick.logout()
    with pytest.raises(GrantError):
        quick.token()


@pytest.mark.parametrize("refreshable", [True, False])
def test_tokens_from_elsewhere_say_their_own_life(client: Client, wire: Wire, refreshable: bool) -> None:  # noqa: FBT001
    tokens = client.login().tokens
    session = ClientSession.from_tokens(client.issuer, tokens.access, tokens.refresh if refreshable else None)
    assert session.token() == tokens.access

    client.clock.ahead = LIFE + 1

    if refreshable:
        assert session.token() != tokens.access
    else:
        with pytest.raises(GrantError, match="no refresh token"):
            session.token()
    assert len(wire.refreshes) == refreshable


def test_a_token_without_a_successor_is_used_to_its_end(client: Client) -> None:
    tokens = client.login().tokens
    session = ClientSession.from_tokens(client.issuer, tokens.access, expires_in=LIFE)

    client.clock.ahead = LIFE - 2

    assert session.token() == tokens.access


def test_a_session_stays_in_its_file(client: Client, tmp_path: Path, wire: Wire) -> None:
    path = tmp_path / "below" / "tokens.json"
    session = client.login(file=path)
    again = ClientSession.from_file(path, issuer=client.issuer)
    plain = ClientSession.from_file(path)

    renewed = session.renew()

    assert again.renew() == renewed
    assert plain.renew() == renewed
    assert len(wire.refreshes) == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_logout_in_one_place_is_logout_in_all_places_of_the_file(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    session = client.login(file=path)
    another = ClientSession.from_file(path, issuer=client.issuer)

    session.renew()
    another.logout()

    assert not path.exists()
    with pytest.raises(GrantError):
        session.renew()
    with pytest.raises(GrantError, match="there is no session"):
        ClientSession.from_file(path)


def test_a_login_anew_wakes_those_who_were_logged_out(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    worker = client.login(file=path)
    ClientSession.from_file(path, issuer=client.issuer).logout()
    with pytest.raises(GrantError):
        worker.renew()

    token = client.login(file=path).token()

    assert worker.token() == token


def test_a_file_that_went_away_under_a_session_comes_back(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    session = client.login(file=path)
    path.unlink()

    renewed = session.renew()

    assert ClientSession.from_file(path).token() == renewed


def test_a_file_that_cannot_be_written_stops_nobody(
    client: Client, tmp_path: Path, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens.json"
    session = client.login(file=path)
    (tmp_path / ".tokens.json.new").mkdir()  # in the way

    renewed = session.renew()
    another = ClientSession.from_file(path, issuer=client.issuer).renew()

    assert "cannot be written" in caplog.text
    assert session.token() == renewed
    assert another not in {renewed, ""}
    assert len(set(wire.refreshes)) == 1  # the issuer repeats its answer


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"email": "nobody@example.com", "password": PASSWORD}, LoginError),
        ({"email": "x", "password": 5}, Invalid),
        ({"password": PASSWORD}, Misuse),
        ({"email": "a@example.com", "username": "a", "password": PASSWORD}, Misuse),
        ({"email": "a@example.com"}, Misuse),
    ],
)
def test_a_login_that_fails_says_why(client: Client, options: dict[str, str], expected: type[Exception]) -> None:
    with pytest.raises(expected):
        ClientSession.login(client.issuer, **options)


def test_a_wrong_prefix_is_told(client: Client, wire: Wire) -> None:
    with pytest.raises(NotFound, match="prefix"):
        ClientSession.login(Issuer(wire.url, prefix="/wrong"), email=client.email, password=PASSWORD)


def test_a_login_without_an_issuer_is_unavailable(client: Client, wire: Wire) -> None:
    wire.fate = lambda _path, _number: Fate.REFUSE

    with pytest.raises(Unavailable, match="no answer"):
        client.login()


def test_a_login_narrows_what_the_tokens_are_for(client: Client, server: Server) -> None:
    session = client.login(audience=[server.url], scope="")

    assert status(server, session.token()) == 200


def test_the_file_of_another_issuer_is_not_used(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    session = client.login(file=path)
    ClientSession.from_tokens("https://auth.example.com", "a.b.c", "jgr_", file=path)

    with pytest.raises(TokenFileRefused, match=r"auth\.example\.com"):
        session.renew()
    with pytest.raises(TokenFileRefused):
        ClientSession.from_file(path, issuer=client.issuer)


def test_no_token_shows(client: Client, wire: Wire, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.DEBUG):
        session = client.login(file=tmp_path / "tokens.json")
        secrets = [session.tokens.access, session.tokens.refresh, PASSWORD]
        wire.fate = lambda _path, number: Fate.REFUSE if number < 1 else http(401, b'{"error": "invalid_grant"}')
        with pytest.raises(GrantError) as raised:
            session.renew()

    shown = f"{session!r} {session.tokens} {session.issuer!r} {raised.value!r} {caplog.text}"
    assert not [secret for secret in secrets if secret and secret in shown]


@pytest.mark.parametrize("profile", ["camel", "stateless", "classic", "standard"])
def test_every_profile(profile: str, tmp_path: Path) -> None:
    with serving(tmp_path, PROFILE=profile, LOGIN_IDENTIFIERS="username") as server:
        server.cli("user", "add", "--username", "ada", "--password-stdin", given=PASSWORD)
        issuer = Issuer(server.url, prefix="" if profile == "camel" else "/auth")
        session = ClientSession.login(issuer, username="ada", password=PASSWORD)
        before = session.token()

        with server.api() as api:
            assert api.get(issuer.prefix + "/me", headers=bearer(before)).status == 200
        assert session.tokens.expires_at is not None
        if session.tokens.refresh is None:
            assert profile in {"stateless", "classic"}
            with pytest.raises(GrantError):
                session.renew()
        else:
            assert session.renew() != before
        session.logout()
        with pytest.raises(GrantError):
            session.token()


def test_a_401_to_a_token_that_has_a_successor_by_now_costs_nothing(client: Client, wire: Wire) -> None:
    session = client.login()
    first = session.token()
    session.renew()

    for _ in range(10):
        assert session.renewable(first, 'Bearer error="invalid_token"', b"")
        assert session.renew(first) == session.token()

    assert len(wire.refreshes) == 1
