"""The guard in Django behind the servers that people use, and without a thread more than Django itself needs."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
from django.http import HttpRequest, JsonResponse
from django.urls import path

from tests.guard.djangoland import GUARD, asgi, bearer, guard, said
from tests.guard.processes import running
from tests.guard.standin import StandIn, served

ROOT = Path(__file__).parents[2]


async def who(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


async def asked(application: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application), base_url="http://t") as client:
        return await client.get("/who", headers=bearer())


class Counting(asyncio.SelectorEventLoop):
    """Counts how often work is handed to a thread."""

    handed = 0

    def run_in_executor(self, *work: Any) -> Any:  # type: ignore[override]  # whatever it is
        self.handed += 1
        return super().run_in_executor(*work)


def handed_to_threads(*middleware: str) -> int:
    application = asgi(guard(), (path("who", who),), *middleware)
    loop = Counting()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(asked(application)).status_code == 200
    return loop.handed


def test_an_asynchronous_request_is_guarded_without_a_thread() -> None:
    assert handed_to_threads(GUARD) == handed_to_threads()


def served_alike(url: str, issuer: StandIn) -> None:
    good = {"Authorization": f"Bearer {issuer.token()}"}

    assert httpx2.get(f"{url}/me", headers=good).json() == {"sub": "ada"}
    assert httpx2.get(f"{url}/members", headers=good).json() == ["ada", "bob"]
    assert said(httpx2.get(f"{url}/me")) == (401, "token_missing")
    assert said(httpx2.get(f"{url}/me", headers=[*good.items(), *good.items()])) == (400, "credentials_ambiguous")
    assert said(httpx2.get(f"{url}/members", headers={"Authorization": f"Bearer {issuer.token(roles=())}"})) == (
        403,
        "role_missing",
    )


def test_behind_gunicorn(tmp_path: Path, issuer: StandIn) -> None:
    command = ["gunicorn", "--bind=127.0.0.1:0", "--workers=2", "--threads=2", "examples.quickstart.django_app:app"]

    with running(tmp_path, *command, JOTGATE_ISSUER=issuer.url, PYTHONPATH=str(ROOT)) as url:
        served_alike(url, issuer)
        assert said(httpx2.get(url)) == (200, {"hello": "stranger"})


def test_behind_uvicorn_with_the_callers_token_passed_on(tmp_path: Path, issuer: StandIn) -> None:
    """The attendance of the gym asks members with the token of its own caller."""
    asked: list[Any] = []

    async def members(about: Any, _receive: Any, send: Any) -> None:
        asked.append(dict(about["headers"])[b"authorization"].decode())
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'[{"name": "Bob", "since": 2024}]'})

    sent = f"Bearer {issuer.token()}"
    with (
        served(members) as theirs,
        running(
            tmp_path,
            *("uvicorn", "--port=0", "examples.gym.attendance:app"),
            JOTGATE_ISSUER=issuer.url,
            MEMBERS_URL=theirs,
            PYTHONPATH=str(ROOT),
        ) as url,
    ):
        answer = httpx2.get(f"{url}/attendance", headers={"Authorization": sent})
        refused = httpx2.get(f"{url}/attendance", headers=[("Authorization", sent), ("Authorization", "Basic YTpi")])

    assert said(answer) == (200, [{"name": "Bob", "since": 2024, "visits": ["2026-11-04"]}])
    assert said(refused) == (400, "credentials_ambiguous")
    assert asked == [sent]
