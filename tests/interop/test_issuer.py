"""A running issuer and every proxy at once: from a login to a logout."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jotgate.guard.guard import Guard
from tests.guard.standin import served, wait_for
from tests.interop.asking import ask
from tests.interop.behind import Behind
from tests.interop.proxies import ASKING, CHECKING, Place
from tests.live.process import Server, free_port, serving

PASSWORD = "a slow brown dog 47"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("issuer"), AUDIENCE="gym") as server:
        yield server


@pytest.mark.parametrize("name", [*ASKING, *CHECKING])
def test_a_token_of_a_login_passes_and_after_the_logout_where_nobody_asks(
    issuer: Server, name: str, tmp_path: Path
) -> None:
    start = {**ASKING, **CHECKING}[name]
    with ExitStack() as stack:
        app = stack.enter_context(served(Behind()))
        place = Place(tmp_path, free_port(), issuer.url[7:], app[7:])
        stack.enter_context(start(place))
        wait_for(lambda: ask(place.port).status == 401)
        api = stack.enter_context(issuer.api())
        api.register(f"{name}@example.com", PASSWORD)
        token = api.login(f"{name}@example.com", PASSWORD)["access_token"]

        before = ask(place.port, token=token)
        api.post("/auth/logout", headers={"Authorization": f"Bearer {token}"})
        after = ask(place.port, token=token)

    who = Guard(issuer.url, audience="gym", jwks=keys(issuer)).verify(token)
    assert before.seen["headers"]["x-auth-subject"] == [who.sub]
    assert after.status == (401 if name in ASKING else 200)
    assert who.claims["exp"] - time.time() <= 900


def keys(issuer: Server) -> bytes:
    with issuer.api() as api:
        return api.get("/.well-known/jwks.json").body
