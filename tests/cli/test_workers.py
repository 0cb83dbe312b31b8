"""`jotgate serve --workers N`: whole nodes on one port, a parent that keeps them alive, and how they end."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.cli.terminal import Terminal
from tests.live.people import PASSWORD, settle
from tests.live.process import READY_SECONDS, Server
from tests.live.talk import Answer, Api, NoAnswerError
from tests.servers.postgres import fresh_database

COUNT = 2


class Crew(Server):
    """A server with workers; ready means that all of them were."""

    def __init__(self, home: Path, **settings: str) -> None:
        super().__init__(home, settings={"WORKERS": str(COUNT), "SQLITE_WORKERS": "on", **settings})

    @property
    def workers(self) -> list[psutil.Process]:
        children: list[psutil.Process] = psutil.Process(self.pid).children()
        return children

    def start(self) -> float:
        took = super().start()
        until(lambda: "jotgate is ready" in self.log.read_text())
        return took

    def line_to(self, worker: psutil.Process) -> Api:
        """A connection that this worker serves."""
        for _ in range(200):
            api = self.api()
            assert api.get("/healthz").status == 200
            port = api.connection.sock.getsockname()[1]
            if port in [connection.raddr.port for connection in worker.net_connections() if connection.raddr]:
                return api
            api.connection.close()
        raise AssertionError("this worker gets no connection")

    def tell(self, sign: signal.Signals, *, everybody: bool = False) -> subprocess.Popen[bytes]:
        """Send a signal to the parent, or to all of its processes too, as systemd may; gives the parent."""
        process, self.process = self.process, None
        assert process is not None
        told = [psutil.Process(process.pid)] + (psutil.Process(process.pid).children() if everybody else [])
        for one in told:
            one.send_signal(sign)
        return process


@contextmanager
def crew(home: Path, **settings: str) -> Iterator[Crew]:
    server = Crew(home, **settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def until(condition: Callable[[], bool], *, seconds: float = READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


# --- what is refused


def test_sqlite_refuses_several_workers_and_says_why(terminal: Terminal) -> None:
    said = terminal.failed("serve", "--workers", "2", code=2)

    assert "one writer" in said
    assert "JOTGATE_SQLITE_WORKERS=on" in said
    assert "postgresql://" in said


def test_a_database_in_memory_has_one_process(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_SQLITE_WORKERS", "on")
    monkeypatch.setenv("JOTGATE_DATABASE_URL", "sqlite:///:memory:")

    assert "in memory" in terminal.failed("serve", "--workers", "2", code=2)


def test_the_demonstration_has_one_process(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_SQLITE_WORKERS", "on")

    assert "--demo" in terminal.failed("serve", "--demo", "--workers", "2", code=2)


def refused(home: Path, *options: str, path: str = "", **settings: str) -> str:
    """What a start says that must fail."""
    server = Crew(home, **settings)
    command = [sys.executable, "-m", "jotgate", "serve", *options]
    environment = server.environment | {"PYTHONPATH": path}
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_without_granian_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "granian").mkdir()
    (tmp_path / "granian" / "__init__.py").write_text("raise ImportError('there is none')\n")

    assert "pip install 'jotgate[workers]'" in refused(tmp_path, path=str(tmp_path))


def test_what_is_wrong_is_said_once_and_before_there_are_workers(tmp_path: Path) -> None:
    said = refused(tmp_path, ADMIN_EMAIL="root@example.com", ADMIN_PASSWORD="short")

    assert said.count("jotgate: ") == 1
    assert "12" in said


# --- nodes on one port


def test_all_serve_and_the_first_start_happens_once(tmp_path: Path) -> None:
    with crew(tmp_path, DATABASE_URL=fresh_database(), SQLITE_WORKERS="off") as server, ExitStack() as stack:
        lines = server.log.read_text().splitlines()
        asked = [stack.enter_context(server.line_to(worker)) for worker in server.workers]

        assert len(asked) == COUNT
        assert [line for line in lines if "jotgate is ready at" in line and "2 workers" in line] == lines[:1]
        assert sum("/auth/setup?token=" in line for line in lines) == 1
        assert [api.get("/readyz").status for api in asked] == [200] * COUNT
        keys = {str(api.get("/.well-known/jwks.json").body) for api in asked}
        assert len(keys) == 1
        one, other = asked
        one.register("ada@example.com", PASSWORD)
        pair = other.login("ada@example.com", PASSWORD)
        assert one.post("/auth/refresh", {"refresh_token": pair["refresh_token"]}).status == 200


def test_any_free_port_is_that_of_all(tmp_path: Path) -> None:
    with crew_on_any_port(tmp_path) as server:
        for worker in server.workers:
            with server.line_to(worker) as api:
                assert api.get("/.well-known/oauth-authorization-server").json["issuer"] == server.url


@contextmanager
def crew_on_any_port(home: Path) -> Iterator[Crew]:
    server = Crew(home, PORT="0")
    with server.log.open("ab") as log:
        command = [sys.executable, "-m", "jotgate", "serve"]
        server.process = subprocess.Popen(command, env=server.environment, cwd=home, stdout=log, stderr=log)
    try:
        until(lambda: "jotgate is ready" in server.log.read_text())
        server.url = server.log.read_text().split()[4]
        server.port = urlsplit(server.url).port or 0
        yield server
    finally:
        server.stop()


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "is in use" in refused(tmp_path, "--port", str(taken.getsockname()[1]))


def test_a_killed_worker_is_replaced_and_nobody_else_is_disturbed(tmp_path: Path) -> None:
    with crew(tmp_path) as server:
        victim, other = server.workers
        with server.line_to(other) as line:
            own = line.connection.sock
            for _ in range(3):  # again and again
                before = {worker.pid for worker in server.workers}
                victim.kill()
                assert line.get("/readyz").status == 200
                until(partial(replaced, server, before))
                (victim,) = [worker for worker in server.workers if worker.pid != other.pid]
                with server.line_to(victim) as successor:
                    assert successor.get("/readyz").status == 200

            assert line.connection.sock is own
        assert server.log.read_text().count("(SIGKILL): another takes its place") == 3
        assert server.log.read_text().count("jotgate is ready") == 1


def replaced(server: Crew, before: set[int]) -> bool:
    now = {worker.pid for worker in server.workers}
    return len(now) == COUNT and now != before


# --- the end


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_they_answer_who_waits_and_finish_what_runs(tmp_path: Path, sign: signal.Signals) -> None:
    with crew(tmp_path) as server, server.api() as api:
        (email,) = settle(server, ["ada"])
        cursor = api.get("/revocations").json["next"]
        answers: list[Answer] = []
        waiting = threading.Thread(target=lambda: answers.append(api.get(f"/revocations?after={cursor}&wait=25")))
        waiting.start()
        with begun_login(server, email) as (line, body):
            began = time.monotonic()
            process = server.tell(sign)
            time.sleep(0.5)
            line.sendall(body)

            assert line.recv(65536).startswith(b"HTTP/1.1 200")
        code = process.wait(20)
        took = time.monotonic() - began
        waiting.join(5)

    assert code == 0
    assert took < 10  # and not the 25 s of who waits
    assert answers[0].status == 200


@contextmanager
def begun_login(server: Server, email: str) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection with the head of a request, and the body that is to come."""
    body = json.dumps({"email": email, "password": PASSWORD}).encode()
    headers = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(f"POST /auth/login HTTP/1.1\r\n{headers}\r\n".encode())
        time.sleep(0.5)
        yield line, body


@pytest.mark.parametrize("everybody", [False, True], ids=["the parent is told", "all are told"])
def test_draining_they_serve_on_and_say_that_they_are_not_ready(tmp_path: Path, *, everybody: bool) -> None:
    with crew(tmp_path, DRAIN="2s") as server, ExitStack() as stack:
        lines = [stack.enter_context(server.line_to(worker)) for worker in server.workers]
        began = time.monotonic()
        process = server.tell(signal.SIGTERM, everybody=everybody)
        time.sleep(0.5)

        answers = [line.get("/readyz") for line in lines]
        with server.api() as newcomer:
            late = newcomer.get("/.well-known/jwks.json")

        assert [(answer.status, answer.headers["connection"]) for answer in answers] == [(503, "close")] * COUNT
        assert (late.status, late.headers["connection"]) == (200, "close")
        assert process.wait(20) == 0
        assert time.monotonic() - began >= 2


def test_told_twice_they_end_at_once(tmp_path: Path) -> None:
    with crew(tmp_path, DRAIN="5m") as server:
        workers = server.workers
        process = server.tell(signal.SIGTERM)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
        assert not any(worker.is_running() for worker in workers)


def test_a_request_that_never_finishes_holds_nobody_up(tmp_path: Path) -> None:
    with crew(tmp_path) as server, begun_login(server, "ada@example.com") as (line, _):
        process = server.tell(signal.SIGTERM)

        assert process.wait(20) == 0
        with suppress(ConnectionResetError):
            assert line.recv(65536) == b""
    assert "requests were cut off" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_without_their_parent_workers_end(tmp_path: Path) -> None:
    with crew(tmp_path) as server:
        workers = server.workers
        server.kill()

        until(lambda: not any(worker.is_running() for worker in workers))
        with pytest.raises(OSError, match="refused"):
            http.client.HTTPConnection("127.0.0.1", server.port, timeout=5).connect()


def test_no_secret_stands_among_the_arguments_of_a_worker(tmp_path: Path) -> None:
    secret = os.urandom(24).hex()
    with crew(tmp_path, SECRET=secret) as server:
        assert not any(secret in " ".join(worker.cmdline()) for worker in server.workers)


def test_under_granians_own_command_who_waits_is_answered_too(tmp_path: Path) -> None:
    (tmp_path / "hosted.py").write_text("from jotgate.assemble import create_app\napp = create_app()\n")
    server = Server(tmp_path)
    server.environment["JOTGATE_ISSUER"] = server.url
    options = ("--interface", "asgi", "--workers", "2", "--port", str(server.port))
    with server.log.open("ab") as log:
        command = [sys.executable, "-m", "granian", *options, "hosted:app"]
        process = subprocess.Popen(command, env=server.environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        until(lambda: answers_at(server))
        with server.api(timeout=30) as api, ThreadPoolExecutor(1) as thread:
            cursor = api.get("/revocations").json["next"]
            waiting = thread.submit(api.get, f"/revocations?after={cursor}&wait=25")
            time.sleep(0.5)
            began = time.monotonic()
            process.terminate()

            assert process.wait(20) == 0
            assert time.monotonic() - began < 10  # and not the 25 s of who waits
            assert waiting.result().status == 200
    finally:
        process.kill()
        process.wait()


def answers_at(server: Server) -> bool:
    try:
        with server.api() as api:
            return api.get("/readyz").status == 200
    except NoAnswerError:
        return False
