"""What a guard costs: CPU time a request of a protected and an open route in the same application, driven in-process.

The guard is a real one: keys and news come from a running issuer, its background thread holds the long poll open.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks.measure import Sample, Timed
from benchmarks.report import Row, at_most
from jotgate import Guard, GuardMiddleware, Principal
from tests.live.process import serving

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

ASGI_SECONDS, FASTAPI_SECONDS = 5e-6, 25e-6
BATCH = 60  # requests


def measure(*, quick: bool) -> list[Row]:
    """All rows of this part."""
    rounds = 40 if quick else 400
    with TemporaryDirectory() as home, serving(Path(home)) as server, server.api() as api:
        api.register("bench@example.com", "a long enough passphrase")
        tokens = [api.login("bench@example.com", "a long enough passphrase")["access_token"] for _ in range(16)]
        guard = Guard(issuer=server.url, revocation="push")
        try:
            guard.verify(tokens[0])
            starlette = asyncio.run(_compare(_starlettes(guard), tokens, rounds=rounds))
            fastapi = asyncio.run(_compare(_fastapis(guard), tokens, rounds=rounds))
        finally:
            guard.close()
    return [
        *_rows("Starlette, a request", starlette, "the guard adds", ASGI_SECONDS),
        *_rows("FastAPI, a request", fastapi, "the guard adds", FASTAPI_SECONDS),
    ]


# --- applications: each kind twice with the routes in both orders, because a router asks them one after the other


def _starlettes(guard: Guard) -> Sequence[App]:
    async def endpoint(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    routes = [Route("/open", endpoint), Route("/shut", endpoint)]
    return [GuardMiddleware(Starlette(routes=order), guard, exclude=["/open"]) for order in (routes, routes[::-1])]


def _fastapis(guard: Guard) -> Sequence[App]:
    async def nothing() -> None:
        """The cheapest dependency."""

    async def opened(_nothing: Annotated[None, Depends(nothing)]) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def shut(_principal: Annotated[Principal, Depends(guard)]) -> PlainTextResponse:
        return PlainTextResponse("hello")

    routes: list[tuple[str, Callable[..., Awaitable[PlainTextResponse]]]] = [("/open", opened), ("/shut", shut)]
    apps = [FastAPI(), FastAPI()]
    for app, order in zip(apps, (routes, routes[::-1]), strict=True):
        for path, endpoint in order:
            app.get(path)(endpoint)
    return apps


# --- driving them


async def _compare(apps: Sequence[App], tokens: Sequence[str], *, rounds: int) -> dict[str, Sample]:
    """Medians for a request of either route; within a round the two routes of both applications take turns."""
    seen: dict[str, list[Timed]] = {"/open": [], "/shut": []}
    for app in apps:
        for path in seen:
            await _batch(app, path, tokens)
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for app in apps:
                for path in sorted(seen, reverse=bool(turn % 2)):
                    seen[path].append(await _batch(app, path, tokens))
    finally:
        gc.enable()
    return {
        path: Sample(median(one.cpu for one in timed) / BATCH, median(one.wall for one in timed) / BATCH)
        for path, timed in seen.items()
    }


async def _batch(app: App, path: str, tokens: Sequence[str]) -> Timed:
    scopes = [http_scope(path, tokens[at % len(tokens)]) for at in range(BATCH)]
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    wall, cpu = perf_counter(), process_time()
    for scope in scopes:
        await app(scope, receive, send)
    timed = Timed(process_time() - cpu, perf_counter() - wall)
    if statuses != [200] * BATCH:
        raise RuntimeError(f"{path} answered {set(statuses)}")
    return timed


def http_scope(path: str, token: str) -> Message:
    """A request as a server hands it to an application."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"api.example.com"),
            (b"user-agent", b"benchmark/1"),
            (b"accept", b"*/*"),
            (b"authorization", b"Bearer " + token.encode()),
        ],
        "client": ("10.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }


def _rows(task: str, samples: dict[str, Sample], who: str, limit: float) -> list[Row]:
    bare, guarded = samples["/open"], samples["/shut"]
    added = guarded.cpu - bare.cpu
    goal = at_most("at most {limit:.0f} us ({value:.1f})", added * 1e6, limit * 1e6)
    return [
        Row(task, "open route", bare.cpu, bare.wall),
        Row(task, "protected route", guarded.cpu, guarded.wall),
        Row(task, who, added, guarded.wall - bare.wall, note="the difference", goal=goal),
    ]
