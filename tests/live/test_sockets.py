"""What ends or changes a session closes the WebSockets that it opened at another service, within about a second."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI, WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from jotgate import Guard
from tests.guard.standin import served
from tests.live.guarding import guarding
from tests.live.people import PASSWORD, settle
from tests.live.process import Server, serving
from tests.live.talk import bearer

ATTEMPTS = 3  # the machine may be busy with something else for a second
WITHIN_SECONDS = 1.5  # a second for the news, and the guard's look at what is open


def _service(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.websocket("/socket", dependencies=[Depends(guard)])
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(str((await guard.renew(websocket, text)).sid))

    return app


def _logout(server: Server, _email: str, pair: dict[str, str]) -> None:
    with server.api() as api:
        assert api.post("/auth/logout", {"refresh_token": pair["refresh_token"]}).status == 204


def _change_role(server: Server, email: str, _pair: dict[str, str]) -> None:
    server.cli("user", "role", email, "manager")


@contextmanager
def _opened(url: str, token: str) -> Iterator[ClientConnection]:
    address = f"{url.replace('http', 'ws')}/socket"
    with connect(address, proxy=None, additional_headers=bearer(token)) as client:
        yield client


@pytest.mark.parametrize(("happen", "reason"), [(_logout, "token_revoked"), (_change_role, "claims_stale")])
def test_a_socket_is_closed_within_a_second(
    tmp_path: Path, happen: Callable[[Server, str, dict[str, str]], None], reason: str
) -> None:
    waits: list[float] = []
    with serving(tmp_path) as server, guarding(server.url) as guard, served(_service(guard)) as url:
        server.cli("role", "set", "manager", "members:read")
        for email in settle(server, [f"user-{attempt}" for attempt in range(ATTEMPTS)]):
            with server.api() as api:
                pair = api.login(email, PASSWORD)
            with _opened(url, pair["access_token"]) as client:
                happen(server, email, pair)
                started = time.monotonic()
                with pytest.raises(ConnectionClosed) as closed:
                    client.recv(timeout=20)
                waits.append(time.monotonic() - started)

            assert closed.value.rcvd == Close(4401, reason)
            if waits[-1] <= WITHIN_SECONDS:
                break
    assert min(waits) <= WITHIN_SECONDS, waits


def test_a_refreshed_token_renews_a_socket(tmp_path: Path) -> None:
    with serving(tmp_path) as server, guarding(server.url) as guard, served(_service(guard)) as url:
        (email,) = settle(server, ["ada"])
        with server.api() as api:
            pair = api.login(email, PASSWORD)
            refreshed = api.post("/auth/refresh", {"refresh_token": pair["refresh_token"]}).json
            me = api.get("/auth/me", headers=bearer(pair["access_token"])).json
        with _opened(url, pair["access_token"]) as client:
            client.send(refreshed["access_token"])

            assert client.recv(timeout=20) == me["sid"]
