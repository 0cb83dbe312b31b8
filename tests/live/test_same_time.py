"""One refresh token used by 64 connections at once, and one that comes back too late."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from jotgate.errors import Revoked
from tests.live.guarding import guarding, refusal
from tests.live.people import PASSWORD, settle
from tests.live.process import serving
from tests.live.talk import Answer, Line

AT_ONCE = 64
ATTEMPTS = 3  # the machine may be busy with something else for a second


def test_64_uses_at_once_get_one_successor_and_change_one_row(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.api() as api:
        (email,) = settle(server, ["ada"])
        api.login(email, PASSWORD)
        token = api.login(email, PASSWORD)["refresh_token"]
        before = _rows(server.data_dir)

        answers = asyncio.run(_all_at_once(server.port, token))

        after = _rows(server.data_dir)
        successors = {answer.json["refresh_token"] for answer in answers}
        assert [answer.status for answer in answers] == [200] * AT_ONCE
        assert len(successors) == 1
        assert [after[row] - before[row] for row in before] == [0, 1]
        assert after.keys() == before.keys()
        assert api.post("/auth/refresh", {"refresh_token": successors.pop()}).status == 200


@pytest.mark.parametrize("uses", [1, 2])
def test_a_replay_closes_the_session_and_a_guard_elsewhere_refuses_within_a_second(tmp_path: Path, uses: int) -> None:
    waits = []
    with serving(tmp_path, REFRESH_GRACE="1", REFRESH_RECOVERY="0") as server, server.api() as api:
        (email,) = settle(server, ["ada"])
        with guarding(server.url) as guard:
            for _ in range(ATTEMPTS):
                first = token = api.login(email, PASSWORD)["refresh_token"]
                for _ in range(uses):
                    pair = api.post("/auth/refresh", {"refresh_token": token}).json
                    token = pair["refresh_token"]
                guard.verify(pair["access_token"])
                time.sleep(2.1)

                replayed = api.post("/auth/refresh", {"refresh_token": first})
                waited, error = refusal(guard, pair["access_token"])

                assert (replayed.status, replayed.json["code"]) == (401, "refresh_replayed")
                assert isinstance(error, Revoked)
                assert api.post("/auth/refresh", {"refresh_token": token}).status == 401
                waits.append(waited)
                if waited <= 1:
                    break
    assert min(waits) <= 1, waits


async def _all_at_once(port: int, token: str) -> list[Answer]:
    lines = [Line(port) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*(line.request("GET", "/healthz") for line in lines))  # connected
        return await asyncio.gather(*(line.post("/auth/refresh", {"refresh_token": token}) for line in lines))
    finally:
        await asyncio.gather(*(line.close() for line in lines))


def _rows(data_dir: Path) -> dict[str, int]:
    """Generations by session, oldest first."""
    with closing(sqlite3.connect(data_dir / "jotgate.db")) as database:
        return dict(database.execute("select id, generation from sessions order by id").fetchall())
