"""The ways in which a session ends or its claims grow stale, each as one request that a server acknowledges."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.live.people import PASSWORD
from tests.live.talk import Api, bearer

ROOT = "root@example.com"
ROOT_PASSWORD = "the passphrase of an administrator"  # what `ADMIN_EMAIL`, `ADMIN_PASSWORD` are to say


@dataclass(frozen=True, slots=True)
class Ending:
    """`begin` prepares and gives the access token that is to die, and the request that kills it."""

    begin: Callable[[Api, str, str], tuple[str, Callable[[], int]]]
    codes: frozenset[str]


def administrator(api: Api) -> str:
    """An access token for administration."""
    issuer = f"http://127.0.0.1:{api.connection.port}"
    answer = api.post("/auth/login", {"email": ROOT, "password": ROOT_PASSWORD, "audience": issuer})
    assert answer.status == 200, answer
    return str(answer.json["access_token"])


def acknowledged(request: Callable[[], int]) -> float:
    """Send it; the instant at which the answer was there."""
    status = request()
    instant = time.monotonic()
    assert status in {200, 204}, status
    return instant


def _logout(api: Api, email: str, _admin: str) -> tuple[str, Callable[[], int]]:
    pair = api.login(email, PASSWORD)
    return pair["access_token"], lambda: api.post("/auth/logout", {"refresh_token": pair["refresh_token"]}).status


def _password(api: Api, email: str, _admin: str) -> tuple[str, Callable[[], int]]:
    token, own = (api.login(email, PASSWORD)["access_token"] for _ in range(2))
    body = {"current_password": PASSWORD, "new_password": f"{PASSWORD} and another one"}
    return token, lambda: api.post("/auth/password", body, headers=bearer(own)).status


def _change(**change: object) -> Callable[[Api, str, str], tuple[str, Callable[[], int]]]:
    def begin(api: Api, email: str, admin: str) -> tuple[str, Callable[[], int]]:
        token = api.login(email, PASSWORD)["access_token"]
        path = f"/auth/admin/users/{api.get('/auth/me', headers=bearer(token)).json['sub']}"
        return token, lambda: api.request("PATCH", path, change, headers=bearer(admin)).status

    return begin


_DEAD = frozenset({"token_revoked"})
ENDINGS = {
    "logout": Ending(_logout, _DEAD),
    "disabling": Ending(_change(disabled=True), _DEAD | {"claims_stale"}),
    "password": Ending(_password, _DEAD | {"claims_stale"}),
    "role": Ending(_change(roles=["manager"]), frozenset({"claims_stale"})),
}
