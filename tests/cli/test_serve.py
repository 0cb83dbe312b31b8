"""`jotgate serve`: the first start, what it says, and how it ends."""

import json
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from jotgate import Guard
from tests.live.people import PASSWORD, settle
from tests.live.process import Server, serving
from tests.live.talk import Answer, bearer

LINK = "Within 30 minutes, open: "


def said(server: Server, part: str) -> str:
    """The line with `part`, what follows it."""
    (line,) = [line for line in server.log.read_text().splitlines() if part in line]
    return line.partition(part)[2]


def test_it_says_where_and_what_it_is(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert said(server, "jotgate is ready at ").startswith(f"{server.url} (profile standard, database ")
        assert "Mind:" not in server.log.read_text()


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"PROFILE": "classic"}, "under HS256 whoever holds the shared secret"),
        ({"TRANSPORT": "cookie"}, "the cookies have neither prefix nor Secure"),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "in memory: all is lost at the end"),
    ],
)
def test_it_says_what_to_mind(tmp_path: Path, settings: dict[str, str], warning: str) -> None:
    server = Server(tmp_path, settings=settings)
    try:
        server.start()
        assert warning in server.log.read_text()
    finally:
        server.stop()


def test_any_free_port_is_the_issuers(tmp_path: Path) -> None:
    server = Server(tmp_path, settings={"PORT": "0"})
    process = subprocess.Popen(
        [sys.executable, "-m", "jotgate", "serve"],
        env=server.environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[4]
        server.port = urlsplit(url).port or 0
        with server.api() as api:
            metadata = api.get("/.well-known/oauth-authorization-server").json
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()

    assert metadata["issuer"] == url


# --- the first administrator


def test_the_set_up_link_makes_an_administrator_once(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.api() as api:
        link = said(server, LINK)
        kept = server.data_dir / "setup-link"
        token = parse_qs(urlsplit(link).query)["token"][0]
        body = {"token": token, "email": "root@example.com", "password": PASSWORD}

        assert kept.read_text().strip() == link
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert api.get(urlsplit(link).path + "?token=x").status == 200
        assert api.post("/auth/setup", body).status == 201
        assert api.post("/auth/setup", body).status == 422

        access = api.login("root@example.com", PASSWORD)["access_token"]
        assert api.get("/auth/admin/users", headers=bearer(access)).status == 200

        server.stop()
        server.log.unlink()
        server.start()
        assert LINK not in server.log.read_text()
        assert not kept.exists()


def test_an_administrator_by_settings(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    file = str(tmp_path / "password")

    with (
        serving(tmp_path, ADMIN_EMAIL="root@example.com", ADMIN_PASSWORD_FILE=file) as server,
        server.api() as api,
    ):
        access = api.login("root@example.com", PASSWORD)["access_token"]

        assert api.get("/auth/admin/users", headers=bearer(access)).status == 200
        assert LINK not in server.log.read_text()

        server.stop()
        server.start()
        assert len(server.cli_json("user", "list")) == 1


def test_an_administrators_password_must_be_acceptable(tmp_path: Path) -> None:
    server = Server(tmp_path, settings={"ADMIN_EMAIL": "root@example.com", "ADMIN_PASSWORD": "short"})

    with pytest.raises(AssertionError, match=r"the server ended with 1"):
        server.start()

    assert "Traceback" not in server.log.read_text()
    assert "12" in server.log.read_text()


def test_somebody_who_registered_the_administrators_address_does_not_become_one(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.api() as api:
        api.register("root@example.com", PASSWORD)
    server = Server(tmp_path, settings={"ADMIN_EMAIL": "root@example.com", "ADMIN_PASSWORD": PASSWORD + "!"})

    with pytest.raises(AssertionError, match=r"is a user who cannot administrate"):
        server.start()

    assert server.cli_json("user", "show", "root@example.com")["roles"] == []


# --- beside a running server


def test_a_new_master_secret_beside_a_running_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.api() as api:
        (email,) = settle(server, ["ada"])
        tokens = api.login(email, PASSWORD)

        server.cli("secret", "rotate")
        server.cli("key", "rotate", "--at-once")
        listed = {key["kid"]: key["state"] for key in server.cli_json("key", "list")}
        deadline = time.monotonic() + 10
        while {key["kid"] for key in api.get("/.well-known/jwks.json").json["keys"]} != set(listed):
            assert time.monotonic() < deadline, "the server has not heard of the new key"
            time.sleep(0.05)
        refreshed = api.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]})

        signing = [kid for kid, state in listed.items() if state == "signing"]
        shown = server.cli("token", "inspect", given=refreshed.json["access_token"])
        assert refreshed.status == 200
        assert signing[0] in shown
        assert "watch failed" not in server.log.read_text()


def test_a_command_ends_a_session_of_a_running_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.api() as api:
        (email,) = settle(server, ["ada"])
        tokens = api.login(email, PASSWORD)
        (session,) = server.cli_json("session", "list", email)
        assert server.cli_json("session", "list") == [session]

        server.cli("session", "end", session["id"])

        assert api.get("/auth/me", headers=bearer(tokens["access_token"])).status == 401
        assert api.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status == 401


def test_a_guard_takes_the_shared_secret_from_its_file(tmp_path: Path) -> None:
    with serving(tmp_path, PROFILE="classic") as server, server.api() as api:
        user = ("user", "add", "--username", "ada", "--role", "cook", "--password-stdin")
        server.cli(*user, given=PASSWORD)
        token = api.post("/auth/login", {"username": "ada", "password": PASSWORD}).json["access_token"]
        secret = server.data_dir / "hs256.secret"
        told = {"JOTGATE_ISSUER": server.url, "JOTGATE_HS256_SECRET_FILE": str(secret)}

        with closing(Guard(server.url, hs256_secret=secret.read_text().strip())) as given:
            assert given.verify(token).roles == ("cook",)
        with closing(Guard.from_env(told)) as read:
            assert read.verify(token).roles == ("cook",)


# --- the end


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_answers_who_waits_and_goes(tmp_path: Path, sign: signal.Signals) -> None:
    with serving(tmp_path) as server, server.api() as api:
        cursor = api.get("/revocations").json["next"]
        answers: list[Answer] = []
        waiting = threading.Thread(target=lambda: answers.append(api.get(f"/revocations?after={cursor}&wait=25")))
        waiting.start()
        time.sleep(0.5)
        process = server.process
        assert process is not None

        began = time.monotonic()
        process.send_signal(sign)
        code = process.wait(10)
        took = time.monotonic() - began
        waiting.join(5)
        server.process = None

    assert code == 0
    assert took < 4
    assert answers[0].status == 200


def test_draining_it_serves_on_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path, DRAIN="2s") as server, server.api() as idle, server.api() as api:
        assert idle.get("/readyz").status == 200
        process = server.process
        assert process is not None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)

        ready = api.get("/readyz")
        keys = api.get("/.well-known/jwks.json")
        with server.api() as newcomer:
            late = newcomer.get("/healthz")

        assert (ready.status, ready.headers["connection"]) == (503, "close")
        assert (keys.status, keys.headers["connection"]) == (200, "close")
        assert (late.status, late.headers["connection"]) == (200, "close")
        assert idle.get("/healthz").status == 200
        assert process.wait(10) == 0
        assert time.monotonic() - began >= 2
        server.process = None


@pytest.mark.parametrize("signs", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_who_interrupts_it_does_not_wait_for_the_drain(tmp_path: Path, signs: list[signal.Signals]) -> None:
    with serving(tmp_path, DRAIN="5m") as server:
        process = server.process
        assert process is not None

        for sign in signs:
            process.send_signal(sign)
            time.sleep(0.2)

        assert process.wait(10) == 0
        server.process = None


def test_a_request_under_way_is_finished(tmp_path: Path) -> None:
    with serving(tmp_path) as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        (email,) = settle(server, ["ada"])
        body = json.dumps({"email": email, "password": PASSWORD}).encode()
        headers = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        line.sendall(f"POST /auth/login HTTP/1.1\r\n{headers}\r\n".encode())
        time.sleep(0.5)
        process = server.process
        assert process is not None

        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        line.sendall(body)

        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        assert process.wait(10) == 0
