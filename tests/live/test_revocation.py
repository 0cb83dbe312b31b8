"""What ends or changes a session reaches a guard in another process within a second."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jotgate.errors import ClaimsStale, Revoked, TokenError
from tests.live.guarding import guarding, refusal
from tests.live.people import PASSWORD, settle
from tests.live.process import Server, serving
from tests.live.talk import bearer

ATTEMPTS = 3  # the machine may be busy with something else for a second
WITHIN_SECONDS = 1.0


def _logout(server: Server, _email: str, pair: dict[str, str]) -> None:
    with server.api() as api:
        assert api.post("/auth/logout", {"refresh_token": pair["refresh_token"]}).status == 204


def _logout_all(server: Server, email: str, _pair: dict[str, str]) -> None:
    with server.api() as api:
        another = api.login(email, PASSWORD)["access_token"]
        assert api.post("/auth/logout-all", headers=bearer(another)).status == 204


def _change_password(server: Server, email: str, _pair: dict[str, str]) -> None:
    with server.api() as api:
        another = api.login(email, PASSWORD)["access_token"]
        body = {"current_password": PASSWORD, "new_password": "another long passphrase"}
        assert api.post("/auth/password", body, headers=bearer(another)).status == 204


def _disable(server: Server, email: str, _pair: dict[str, str]) -> None:
    server.cli("user", "disable", email)


def _change_role(server: Server, email: str, _pair: dict[str, str]) -> None:
    server.cli("user", "role", email, "manager")


@pytest.mark.parametrize(
    ("happen", "expected"),
    [
        (_logout, Revoked),
        (_logout_all, Revoked),
        (_change_password, Revoked),
        (_disable, TokenError),
        (_change_role, ClaimsStale),
    ],
)
def test_a_guard_in_another_process_refuses_within_a_second(
    tmp_path: Path, happen: Callable[[Server, str, dict[str, str]], None], expected: type[TokenError]
) -> None:
    waits = []
    with serving(tmp_path) as server, guarding(server.url) as guard:
        server.cli("role", "set", "manager", "members:read")
        for email in settle(server, [f"user-{attempt}" for attempt in range(ATTEMPTS)]):
            with server.api() as api:
                pair = api.login(email, PASSWORD)
            guard.verify(pair["access_token"])

            happen(server, email, pair)
            waited, error = refusal(guard, pair["access_token"])

            assert isinstance(error, expected)
            waits.append(waited)
            if waited <= WITHIN_SECONDS:
                break
    assert min(waits) <= WITHIN_SECONDS, waits
