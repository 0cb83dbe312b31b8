"""The quickstarts of Flask, Quart and plain WSGI as processes, under the servers that people use."""

from pathlib import Path

import httpx2
import pytest
from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.guard.processes import running
from tests.guard.standin import StandIn

ROOT = Path(__file__).parents[2]
GUNICORN = ("gunicorn", "--bind=127.0.0.1:0", "--workers=2", "--threads=4")


@pytest.mark.parametrize(
    "command",
    [
        (*GUNICORN, "examples.quickstart.flask_app:app"),
        (*GUNICORN, "examples.quickstart.wsgi_app:app"),
        ("flask", "--app", "examples.quickstart.flask_app", "run", "--port=0"),
        ("uvicorn", "--port=0", "examples.quickstart.quart_app:app"),
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_a_quickstart_lets_in_whom_it_should(tmp_path: Path, issuer: StandIn, command: tuple[str, ...]) -> None:
    good = {"Authorization": f"Bearer {issuer.token()}"}
    member = {"Authorization": f"Bearer {issuer.token(roles=())}"}
    twice = [*good.items(), *good.items()]

    with (
        running(tmp_path, *command, JOTGATE_ISSUER=issuer.url, PYTHONPATH=str(ROOT)) as url,
        httpx2.Client(base_url=url) as client,
    ):
        home = client.get("/")
        me = client.get("/me", headers=good)
        members = client.get("/members", headers=good)
        refused = [client.get("/me"), client.get("/me", headers=twice), client.get("/members", headers=member)]
        head = client.head("/me")

    assert (home.json(), me.json(), members.json()) == ({"hello": "stranger"}, {"sub": "ada"}, ["ada", "bob"])
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [
        (401, "token_missing"),
        (400, "credentials_ambiguous"),
        (403, "role_missing"),
    ]
    assert (head.status_code, head.content) == (401, b"")
    assert head.headers["content-length"] == str(len(refused[0].content))


def test_a_websocket_of_quart_through_a_real_server(tmp_path: Path, issuer: StandIn) -> None:
    command = ("uvicorn", "--port=0", "examples.quickstart.quart_app:app")

    with running(tmp_path, *command, JOTGATE_ISSUER=issuer.url, PYTHONPATH=str(ROOT)) as url:
        place = f"ws{url.removeprefix('http')}/echo"
        with connect(place, subprotocols=[Subprotocol("bearer"), Subprotocol(f"bearer.{issuer.token()}")]) as socket:
            socket.send("hello")
            heard, answered = socket.recv(), socket.subprotocol
            issuer.revoke("sid", "s1")
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=20)
        with pytest.raises(InvalidStatus) as refused, connect(place):
            pass

    assert (heard, answered) == ("ada: 'hello'", "bearer")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "token_revoked")
    assert refused.value.response.status_code == 401
    assert b"token_missing" in refused.value.response.body
