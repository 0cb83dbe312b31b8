"""The issuer mounted in an application that exists, under a real server: the whole flow, beside its own routes."""

import signal
import subprocess
import sys
import time
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


@pytest.mark.parametrize("source", [STARLETTE, FASTAPI], ids=["starlette", "fastapi"])
def test_the_whole_flow_works_mounted(tmp_path: Path, source: str) -> None:
    place = Server(tmp_path)
    (tmp_path / "host.py").write_text(source)
    command = [sys.executable, "-m", "uvicorn", "host:app", "--port", str(place.port), "--log-level", "warning"]
    with place.log.open("ab") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=place.environment, stdout=log, stderr=log)
    try:
        with place.api() as api:
            _wait_until_there(api, process)
            _play(api)
    finally:
        process.terminate()
        code = process.wait(20)
    assert code in {0, -signal.SIGTERM}, place.log.read_text()
    assert "Traceback" not in place.log.read_text()


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


def _wait_until_there(api: Api, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            api.get("/hello")
        except NoAnswerError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the application did not start")
