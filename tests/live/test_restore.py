"""Restores and moves with real servers and guards, and with kill -9 in the middle of them."""

import random
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.live import nodes
from tests.live.guarding import guarding, refusal
from tests.live.people import PASSWORD, settle
from tests.live.process import Server, serving
from tests.live.talk import bearer
from tests.servers.postgres import fresh_database

SECRET = "kR2v8Qm1xZt6Wb3nYp9Lc4Hd7Jf0Gs5A-Ue_o"
NOTICED_SECONDS = 2.0  # the goal is one
MANY = 10_000  # sessions, so that copying takes its time
KILLS = 2
ADA, EVE = "ada@example.com", "eve@example.com"


def refresh(server: Server, pair: Any) -> int:
    with server.api() as api:
        return api.post("/auth/refresh", {"refresh_token": pair["refresh_token"]}).status


def log_in(server: Server, email: str = ADA) -> Any:
    with server.api() as api:
        return api.login(email, PASSWORD)


def names(server: Server) -> set[str]:
    return {user["email"] for user in server.cli_json("user", "list")}


@pytest.mark.alone
def test_guards_and_nodes_know_of_a_restore_within_a_second(tmp_path: Path) -> None:
    with nodes.installation(tmp_path, 2) as (one, two):
        settle(one, ["ada"])
        before = log_in(one)
        one.cli("backup", "copy.db")
        after = log_in(two)

        one.cli("restore", "copy.db", "--replace")
        noticed_by = time.monotonic() + NOTICED_SECONDS
        waiting = {(server.port, pair["access_token"]) for server in (one, two) for pair in (before, after)}
        while waiting and time.monotonic() < noticed_by:
            waiting -= {(port, token) for port, token in waiting if is_refused((one, two), port, token)}

        assert not waiting
        for server in (one, two):
            assert [refresh(server, pair) for pair in (before, after)] == [401, 401]
            assert refresh(server, log_in(server)) == 200


def is_refused(servers: tuple[Server, ...], port: int, token: str) -> bool:
    (server,) = [server for server in servers if server.port == port]
    with server.api() as api:
        return api.get("/auth/me", headers=bearer(token)).status == 401


def test_a_guard_that_never_stopped_refuses_what_is_from_before(tmp_path: Path) -> None:
    with serving(tmp_path) as server, guarding(server.url) as guard:
        settle(server, ["ada"])
        server.cli("backup", "copy.db")
        pair = log_in(server)
        assert guard.verify(pair["access_token"])

        server.stop()
        server.cli("restore", "copy.db", "--replace")
        server.start()

        _, error = refusal(guard, pair["access_token"])
        assert error.code in {"token_revoked", "signature_invalid"}
        assert guard.verify(log_in(server)["access_token"])


def test_a_guard_that_never_stopped_goes_on_after_a_move(tmp_path: Path) -> None:
    with serving(tmp_path) as server, guarding(server.url) as guard:
        settle(server, ["ada"])
        pair = log_in(server)
        assert guard.verify(pair["access_token"])

        url = fresh_database()
        server.stop()
        server.cli("migrate", "--to", url)
        assert "was moved to" in refused_start(server)
        server.environment["JOTGATE_DATABASE_URL"] = url
        server.start()

        assert guard.verify(pair["access_token"])
        assert refresh(server, pair) == 200
        with server.api() as api:
            assert api.post("/auth/logout", {"refresh_token": pair["refresh_token"]}).status == 204
        assert refusal(guard, pair["access_token"])[1].code == "token_revoked"


def refused_start(server: Server) -> str:
    with server.beside("serve") as process:
        assert process.wait(20) == 1
    return server.log.read_text()


# --- kill -9


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """A database with Ada in it and many sessions, a backup of it, and Eve who came later. No server runs."""
    server = Server(tmp_path, settings={"SECRET": SECRET})
    server.cli("migrate")
    settle(server, ["ada"])
    fill(server.data_dir / "jotgate.db")
    if request.param == "postgres":
        url = fresh_database()
        server.cli("migrate", "--to", url)
        server.environment["JOTGATE_DATABASE_URL"] = url
    server.cli("backup", "copy.db")
    settle(server, ["eve"])
    return server


def fill(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            """with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ?)
            insert into sessions select printf('%032x', n), n, users.number, users.id, 'jotgate', 'gym', null, 0, -1,
            x'00', 1, 1, 99999999999, 99999999999, 'pwd', null, null, null, null from numbers, users""",
            (MANY,),
        )


def drafts(server: Server) -> set[str]:
    return {path.name for path in server.data_dir.glob(".*.restoring")}


def killed(process: subprocess.Popen[bytes]) -> bool:
    """Whether it was still at work."""
    process.kill()
    return process.wait() != 0


def test_a_restore_that_is_killed_has_happened_or_has_not(installation: Server) -> None:
    server, cut_short = installation, 0
    while cut_short < KILLS:
        left = drafts(server)
        process = server.beside("restore", "copy.db", "--replace")
        while process.poll() is None and not drafts(server) - left:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.7))
        cut_short += 1
        if not killed(process):
            break
        if (found := names(server)) != {ADA, EVE}:
            assert found == {ADA}
            settle(server, ["eve"])

    server.cli("restore", "copy.db", "--replace")

    assert names(server) == {ADA}
    assert not drafts(server)
    assert server.cli_json("session", "list") == []
    server.start()
    try:
        assert refresh(server, log_in(server)) == 200
    finally:
        server.stop()


def test_a_move_that_is_killed_is_said_again(tmp_path: Path) -> None:
    server = Server(tmp_path, settings={"SECRET": SECRET})
    server.cli("migrate")
    settle(server, ["ada"])
    fill(server.data_dir / "jotgate.db")
    url = fresh_database()

    for patience in delays():
        process = server.beside("migrate", "--to", url)
        try:
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            killed(process)
        if not still_here(server):
            break
    assert not still_here(server)

    server.environment["JOTGATE_DATABASE_URL"] = url
    assert names(server) == {ADA}
    assert len(server.cli_json("session", "list")) == MANY


def still_here(server: Server) -> bool:
    """Whether the old database works as before; if not, it has moved."""
    with server.beside("user", "list") as process:
        worked = process.wait() == 0
    assert worked or server.log.read_text().rstrip().splitlines()[-1].startswith("jotgate: This installation was moved")
    return worked


def delays() -> Iterator[float]:
    """Longer and longer, until it is long enough."""
    patience = random.uniform(0.5, 1)
    while True:
        yield patience
        patience *= 1.5
