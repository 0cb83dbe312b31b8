"""What each adapter adds to a request, beside what the framework's usual choice adds to it in the same application.

Added is what a guarded route takes more than the open one did in the same round, and of that the median: the machine
is the same for both then, whatever else it had to do. Applications are called in-process, as a server
would call them. Our tokens are ES256, from 16 callers who come again; the peers' are HS256.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from io import BytesIO
from itertools import cycle, islice
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.adapter_drf import drf
from benchmarks.adapter_litestar import litestar
from benchmarks.adapter_peers import OPEN, TOKENS, Built, fastapi, flask, path_of, starlette
from benchmarks.guard_cost import http_scope
from benchmarks.material import AUDIENCE, ISSUER, make
from benchmarks.measure import Batch, Sample, Timed
from benchmarks.report import Row, at_least
from jotgate import Guard

TIMES_LESS = 3
BATCH, WARMING = 30, 120  # requests
Asked = tuple[str, str]  # path, token
Message = MutableMapping[str, Any]

ASGI: dict[str, Callable[[Guard], Built]] = {"FastAPI": fastapi, "Starlette": starlette, "Litestar": litestar}
WSGI: dict[str, Callable[[Guard], Built]] = {"Flask": flask, "Django REST framework": drf}


def measure(*, quick: bool) -> list[Row]:
    """All rows of this part."""
    rounds = 60 if quick else 600
    material = make("ES256")
    public = {name: value for name, value in material.primitive.jwk.items() if name != "d"}
    tokens = list(material.tokens[:TOKENS])
    rows: list[Row] = []
    with asyncio.Runner() as runner:
        for task, build in (ASGI | WSGI).items():
            guard = Guard(ISSUER, audience=AUDIENCE, jwks={"keys": [public]}, cookie=None)
            try:
                built = build(guard)
                batches = _batches(built, tokens, runner if task in ASGI else None)
                rows += _rows(task, built, _compared(batches, rounds=rounds))
            finally:
                guard.close()
    return rows


def _batches(built: Built, ours: list[str], runner: asyncio.Runner | None) -> dict[str, Batch]:
    whose = {OPEN: ours} | dict.fromkeys(built.ours, ours) | dict(built.tokens)
    turns = range(len(whose))
    asked = {
        who: cycle([(path_of(who, turn), one) for one in tokens for turn in turns]) for who, tokens in whose.items()
    }
    if runner is None:
        return {who: _by_wsgi(built.application, asked[who]) for who in whose}
    return {who: _by_asgi(built.application, asked[who], runner) for who in whose}


def _compared(batches: Mapping[str, Batch], *, rounds: int) -> dict[str, Sample]:
    """The open route, and what the others add to it; all take turns within a round."""
    for run in batches.values():
        run(WARMING)
    names = list(batches)
    seen: list[dict[str, Timed]] = []
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            start = turn % len(names)
            seen.append({name: batches[name](BATCH) for name in names[start:] + names[:start]})
    finally:
        gc.enable()
    return {name: _middle(seen, name) for name in names}


def _middle(seen: Iterable[Mapping[str, Timed]], name: str) -> Sample:
    less = 0 if name == OPEN else 1
    return Sample(
        median(one[name].cpu - less * one[OPEN].cpu for one in seen) / BATCH,
        median(one[name].wall - less * one[OPEN].wall for one in seen) / BATCH,
    )


# --- driving them


def _by_asgi(app: Any, asked: Iterator[Asked], runner: asyncio.Runner) -> Batch:
    return lambda times: runner.run(_asgi_batch(app, islice(asked, times)))


async def _asgi_batch(app: Callable[..., Awaitable[None]], asked: Iterable[Asked]) -> Timed:
    scopes = [http_scope(path, token) for path, token in asked]
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
    _check(statuses, [200] * len(scopes))
    return timed


def _by_wsgi(app: Any, asked: Iterator[Asked]) -> Batch:
    statuses: list[str] = []

    def start_response(status: str, _headers: object, _failure: object = None) -> None:
        statuses.append(status)

    def run(times: int) -> Timed:
        environs = [_environ(path, token) for path, token in islice(asked, times)]
        statuses.clear()
        wall, cpu = perf_counter(), process_time()
        for environ in environs:
            body = app(environ, start_response)
            for _ in body:
                pass
            body.close()
        timed = Timed(process_time() - cpu, perf_counter() - wall)
        _check(statuses, ["200 OK"] * times)
        return timed

    return run


def _check(statuses: list[Any], wanted: list[Any]) -> None:
    if statuses != wanted:
        raise RuntimeError(f"answered {set(statuses)}")


def _environ(path: str, token: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.1",
        "HTTP_HOST": "api.example.com",
        "HTTP_USER_AGENT": "benchmark/1",
        "HTTP_ACCEPT": "*/*",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


# --- what is said of it


def _rows(task: str, built: Built, samples: Mapping[str, Sample]) -> Iterator[Row]:
    bare = samples[OPEN]
    yield Row(task, OPEN, bare.cpu, bare.wall)
    for who in built.ours:
        yield Row(task, f"{who} adds", samples[who].cpu, samples[who].wall, note="ES256")
    dearest = max(built.ours, key=lambda who: samples[who].cpu)
    for peer, note in built.notes.items():
        goal = at_least(
            f"at least {{limit:.0f}} times what {dearest} adds ({{value:.1f}})",
            samples[peer].cpu / samples[dearest].cpu,
            TIMES_LESS,
        )
        yield Row(task, f"{peer} adds", samples[peer].cpu, samples[peer].wall, note=note, goal=goal)
