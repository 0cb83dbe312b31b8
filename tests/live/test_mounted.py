"""The issuer mounted in an application that exists, under a real server: the whole flow, beside its own routes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.people import PASSWORD
from tests.live.process import Server
from tests.live.talk import Api, NoAnswerError, bearer

STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
import jotgate

async def hello(request):
    return PlainTextResponse("the application's own")

app = Starlette(routes=[Route("/hello", hello), Mount("/", jotgate.create_app())])
"""
FASTAPI = """
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
import jotgate

app = FastAPI()

@app.get("/hello")
async def hello():
    return PlainTextResponse("the application's own")

app.mount("/", jotgate.create_app())
"""


HOSTS = pytest.mark.parametrize("source", [STARLETTE, FASTAPI], ids=["starlette", "fastapi"])
POLL_SECONDS = 25


@HOSTS
def test_the_whole_flow_works_mounted(tmp_path: Path, source: str) -> None:
    with _hosting(tmp_path, source) as (place, process):
        with place.api() as api:
            _play(api)
        process.terminate()
        code = process.wait(20)

    assert code in {0, -signal.SIGTERM}, place.log.read_text()
    assert "Traceback" not in place.log.read_text()


@HOSTS
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_waiting_guard_does_not_hold_up_the_end(tmp_path: Path, source: str, sign: signal.Signals) -> None:
    with _hosting(tmp_path, source) as (place, process), place.api(timeout=60) as api, ThreadPoolExecutor(1) as beside:
        start = api.get("/revocations").json["next"]
        waiting = beside.submit(api.get, f"/revocations?after={start}&wait={POLL_SECONDS}")
        with place.api() as other:
            _until(lambda: b"\njotgate_feed_waiters 1.0\n" in other.get("/metrics").body)

        told_at = time.monotonic()
        process.send_signal(sign)
        answer = waiting.result()
        process.wait(60)
        took = time.monotonic() - told_at

    assert (answer.status, answer.json["entries"]) == (200, [])
    assert took < POLL_SECONDS / 3, place.log.read_text()
    assert "Traceback" not in place.log.read_text()


@contextmanager
def _hosting(home: Path, source: str) -> Iterator[tuple[Server, subprocess.Popen[bytes]]]:
    """The application under uvicorn, there but the issuer not started yet."""
    place = Server(home)
    (home / "host.py").write_text(source)
    command = [sys.executable, "-m", "uvicorn", "host:app", "--port", str(place.port), "--log-level", "warning"]
    with place.log.open("ab") as log:
        process = subprocess.Popen(command, cwd=home, env=place.environment, stdout=log, stderr=log)
    try:
        _until(lambda: _is_there(place, process))
        yield place, process
    finally:
        process.kill()
        process.wait()


def _play(api: Api) -> None:
    assert api.get("/hello").body == b"the application's own"
    assert api.get("/readyz").status == 200
    api.register("ada@example.com", PASSWORD)
    wrong = api.post("/auth/login", {"email": "ada@example.com", "password": "not the right passphrase"})
    assert (wrong.status, wrong.json["code"]) == (401, "invalid_credentials")
    first = api.login("ada@example.com", PASSWORD)
    second = api.post("/auth/refresh", {"refresh_token": first["refresh_token"]}).json
    assert second["refresh_token"] != first["refresh_token"]
    who = api.get("/auth/me", headers=bearer(second["access_token"]))
    assert (who.status, who.json["email"]) == (200, "ada@example.com")
    assert api.post("/auth/logout", {"refresh_token": second["refresh_token"]}).status == 204
    assert api.get("/auth/me", headers=bearer(second["access_token"])).status == 401
    assert api.post("/auth/refresh", {"refresh_token": second["refresh_token"]}).status == 401
    assert api.get("/nowhere").status == 404


def _is_there(place: Server, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, place.log.read_text()
    try:
        with place.api() as api:
            return api.get("/hello").status == 200
    except NoAnswerError:
        return False


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
