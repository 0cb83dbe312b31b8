"""Servers that fork: a guard that was at work before the fork works on in every worker, with one thread in each."""

import http.client
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.live.process import Server, free_port, serving
from tests.live.talk import bearer

APPLICATION = """
import asyncio, os, threading, time
from jotgate import Guard, GuardMiddleware
from jotgate.guard.wsgi import GuardMiddleware as WsgiGuardMiddleware

GUARD = Guard.from_env()
GUARD.verify(os.environ["TOKEN"])  # in the parent, where there is one

def worker():
    threads = sum(thread.name == "jotgate-courier" for thread in threading.enumerate())
    return f"{os.getpid()} {threads}"

def hello(environ, start_response):
    time.sleep(0.02)  # long enough for the other worker to get something
    start_response("200 OK", [])
    return [b"hello"]

guarded = WsgiGuardMiddleware(hello, GUARD)

def wsgi(environ, start_response):
    def start(status, headers, *more):
        return start_response(status, [*headers, ("X-Worker", worker())], *more)
    return guarded(environ, start)

async def hello_async(scope, receive, send):
    await asyncio.sleep(0.02)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

guarded_async = GuardMiddleware(hello_async, GUARD)

async def asgi(scope, receive, send):
    async def sent(message):
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"x-worker", worker().encode())]}
        await send(message)
    if scope["type"] == "http":
        await guarded_async(scope, receive, sent)
"""
GUNICORN = ("gunicorn", "--preload", "--workers=2", "--bind=127.0.0.1:{port}")
SERVERS = {
    "gunicorn sync": (*GUNICORN, "--worker-class=sync", "service:wsgi"),
    "gunicorn gthread": (*GUNICORN, "--worker-class=gthread", "--threads=4", "service:wsgi"),
    "granian wsgi": ("granian", "--interface=wsgi", "--workers=2", "--port={port}", "service:wsgi"),
    "granian asgi": ("granian", "--interface=asgi", "--workers=2", "--port={port}", "service:asgi"),
}
PASSWORD = "a long enough passphrase"

Seen = tuple[int, str, str]  # status, worker, threads


class Service:
    """The application behind a server of its own, with two workers."""

    def __init__(self, home: Path, command: Sequence[str], environment: dict[str, str]) -> None:
        self.port = free_port()
        self.log = home / "service.log"
        (home / "service.py").write_text(APPLICATION)
        arguments = [part.format(port=self.port) for part in command]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments], cwd=home, env=environment, stdout=log, stderr=log
            )

    def ask(self, token: str) -> Seen:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/", headers=bearer(token))
            answer = connection.getresponse()
            answer.read()
            worker, threads = (answer.getheader("X-Worker") or "").split()
            return answer.status, worker, threads
        finally:
            connection.close()

    def ask_often(self, token: str, times: int = 24) -> list[Seen]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda _: self.ask(token), range(times)))

    def until(self, token: str, condition: Callable[[list[Seen]], bool]) -> list[Seen]:
        deadline = time.monotonic() + 30
        while True:
            try:
                seen = self.ask_often(token)
                if condition(seen):
                    return seen
            except (OSError, http.client.HTTPException):
                assert self.process.poll() is None, self.log.read_text()
                seen = []
            assert time.monotonic() < deadline, f"{seen}\n{self.log.read_text()}"


@contextmanager
def service(home: Path, server: Server, command: Sequence[str], token: str) -> Iterator[Service]:
    started = Service(home, command, server.environment | {"JOTGATE_ISSUER": server.url, "TOKEN": token})
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def workers(seen: list[Seen], *, status: int) -> dict[str, str]:
    """Workers that answered so, and how many threads each has for the issuer."""
    return {worker: threads for answered, worker, threads in seen if answered == status}


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_every_worker_hears_of_a_logout_in_a_thread_of_its_own(tmp_path: Path, command: Sequence[str]) -> None:
    with serving(tmp_path) as server, server.api() as api:
        api.register("ada@example.com", PASSWORD)
        early, pair = (api.login("ada@example.com", PASSWORD) for _ in range(2))
        with service(tmp_path, server, command, early["access_token"]) as running:
            token = pair["access_token"]
            running.until(token, lambda seen: len(workers(seen, status=200)) == 2)
            threads = workers(running.ask_often(token), status=200)

            assert api.post("/auth/logout", {"refresh_token": pair["refresh_token"]}).status == 204
            refused = running.until(token, lambda seen: len(workers(seen, status=401)) == 2)
            others = running.ask_often(early["access_token"])
            ended_after = stop(running.process)

    assert Counter(threads.values()) == {"1": len(threads)}
    assert workers(refused, status=401).keys() >= threads.keys()
    assert {answered for answered, _, _ in others} == {200}
    assert ended_after < 10
    assert not re.search("Traceback|Fatal Python error", running.log.read_text()), running.log.read_text()


def stop(process: subprocess.Popen[bytes]) -> float:
    """Seconds until the server and its workers are gone."""
    children = psutil.Process(process.pid).children(recursive=True)
    asked_at = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    psutil.wait_procs(children, timeout=30)
    assert not any(child.is_running() for child in children)
    return time.monotonic() - asked_at
