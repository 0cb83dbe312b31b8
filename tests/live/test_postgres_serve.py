"""`jotgate serve` on PostgreSQL: what the operator reads when it cannot start, what callers get when it goes away."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.people import PASSWORD, settle
from tests.live.process import Server, free_port, serving
from tests.live.talk import Answer, Api, bearer
from tests.servers.postgres import fresh_database, running_postgres

BACK_SECONDS = 2.0


def failing_start(home: Path, **settings: str) -> str:
    """All that it says."""
    server = Server(home, settings=settings)
    command = [sys.executable, "-m", "jotgate", "serve"]
    done = subprocess.run(
        command, env=server.environment, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-of-the-url" not in done.stderr + done.stdout
    return done.stderr


def test_a_database_that_is_down_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    url = f"postgresql://jotgate:secret-of-the-url@127.0.0.1:{free_port()}/jotgate"

    said = failing_start(tmp_path, DATABASE_URL=url)

    assert "PostgreSQL cannot be used" in said
    assert "see that it runs" in said
    assert len(said.strip().splitlines()) == 1


def test_without_asyncpg_the_start_says_what_to_install(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "asyncpg.py").write_text("raise ModuleNotFoundError(\"No module named 'asyncpg'\")\n")
    server = Server(tmp_path, settings={"DATABASE_URL": "postgresql://jotgate:secret-of-the-url@127.0.0.1/jotgate"})
    server.environment["PYTHONPATH"] = str(absent)

    done = subprocess.run(
        [sys.executable, "-m", "jotgate", "serve"],
        env=server.environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "pip install 'jotgate[postgres]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_ids_that_postgresql_cannot_keep_are_refused_and_no_error_of_ours(tmp_path: Path) -> None:
    with serving(tmp_path, DATABASE_URL=fresh_database()) as server, server.api() as api:
        (email,) = settle(server, ["ada"])
        headers = bearer(api.login(email, PASSWORD)["access_token"])

        statuses = [
            api.request("DELETE", f"/auth/sessions/{name}", headers=headers).status
            for name in ("%00", "x%00", "%ED%A0%80", "x" * 5000)
        ]
        login = api.post("/auth/login", {"email": "nobody\0@example.com", "password": PASSWORD})
        named = api.post("/auth/register", {"email": "eve@example.com", "password": PASSWORD, "name": "Eve\0"})

    assert all(400 <= status < 500 for status in statuses), statuses
    assert login.status == 401
    assert named.status == 422


@pytest.mark.alone
def test_a_postgresql_that_is_killed_costs_503s_and_two_seconds(tmp_path: Path) -> None:
    with running_postgres() as postgres, serving(tmp_path, DATABASE_URL=postgres.url) as server, server.api() as api:
        (email,) = settle(server, ["ada"])
        pair = api.login(email, PASSWORD)
        token = pair["refresh_token"]
        postgres.kill()

        away = [api.post("/auth/refresh", {"refresh_token": token}) for _ in range(5)]
        away += [api.get("/auth/me", headers=bearer(pair["access_token"]))]

        assert [answer.status for answer in away] == [503] * 6
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in away)
        assert api.get("/healthz").status == api.get("/.well-known/jwks.json").status == 200
        assert api.get("/readyz").status == 503
        postgres.start()
        began = time.monotonic()
        while (answer := _refreshed(api, token)).status != 200:
            assert time.monotonic() - began < 30
            time.sleep(0.02)
        assert time.monotonic() - began < BACK_SECONDS
        assert api.post("/auth/logout", {"refresh_token": answer.json["refresh_token"]}).status == 204
        assert api.login(email, PASSWORD)


def _refreshed(api: Api, token: str) -> Answer:
    return api.post("/auth/refresh", {"refresh_token": token})
