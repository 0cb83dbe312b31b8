"""One session shared by processes, tasks and threads through its expiry: one refresh, nobody logged out, no failure."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Barrier, Thread

import httpx2
import pytest

from jotgate.client import ClientSession, Issuer
from jotgate.client.auth import TokenAuth
from jotgate.errors import Unavailable
from tests.client.conftest import Client
from tests.client.guarded import Service, service
from tests.client.wire import Fate, Wire, http, wired
from tests.guard.standin import wait_for
from tests.live.people import PASSWORD
from tests.live.process import serving

PROCESSES = 8
TASKS = 100
LIFE = 10  # seconds: as short as an issuer allows
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, int]]:
    """A service, and the port of an issuer whose tokens live for seconds."""
    with serving(tmp_path_factory.mktemp("short"), ACCESS_TTL=str(LIFE)) as server:
        with server.api() as api:
            api.register("ada@example.com", PASSWORD)
        with service(server.url) as gym:
            yield gym, server.port


@contextmanager
def worker(path: Path, url: str, *, until: float = 0) -> Iterator[subprocess.Popen[str]]:
    """A process that calls until then; or takes the lock and stays; or renews."""
    command = [sys.executable, "-m", "tests.client.worker", str(path), url, str(until)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock."""
    with worker(path, "hold") as holder:
        assert line_of(holder) == "held"
        yield holder


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def hundred_tasks(path: Path, url: str, until: float) -> set[int]:
    """The statuses that they saw."""
    session = ClientSession.from_file(path)

    async def task(client: httpx2.AsyncClient, number: int) -> set[int]:
        statuses = set()
        await asyncio.sleep(number / TASKS)
        while time.monotonic() < until:
            statuses.add((await client.get(url)).status_code)
            await asyncio.sleep(1)
        return statuses

    async with httpx2.AsyncClient(auth=TokenAuth(session), limits=httpx2.Limits(max_connections=20)) as client:
        return set().union(*await asyncio.gather(*(task(client, number) for number in range(TASKS))))


@pytest.mark.parametrize("losing", [False, True])
def test_eight_processes_and_a_hundred_tasks_pass_the_expiry_of_their_session(
    short: tuple[Service, int],
    tmp_path: Path,
    losing: bool,  # noqa: FBT001
) -> None:
    gym, port = short
    path, url = tmp_path / "tokens.json", f"{gym.url}/"
    with wired(port) as wire, ExitStack() as all_of_them:
        if losing:
            wire.fate = lambda path, number: Fate.LOSE if path == "/auth/refresh" and number % 2 == 0 else Fate.PASS
        issuer = Issuer(wire.url)
        ClientSession.login(issuer, email="ada@example.com", password=PASSWORD, file=path)
        until = time.monotonic() + LIFE + 1
        workers = [all_of_them.enter_context(worker(path, url, until=until)) for _ in range(PROCESSES)]

        statuses = asyncio.run(hundred_tasks(path, url, until))
        seen = [json.loads(line_of(process)) for process in workers]

        assert statuses.union(*(one["statuses"] for one in seen)) == {200}
        assert wire.refreshes
        assert set(Counter(wire.refreshes).values()) == {2 if losing else 1}  # the second for the answer that was lost
        assert len({one["last"] for one in seen}) == 1
        assert ClientSession.from_file(path).renew()  # and nobody is logged out


def test_a_hundred_threads_with_a_spent_token_cause_one_refresh(client: Client, wire: Wire) -> None:
    session = client.login()
    client.clock.ahead = 900
    together = Barrier(TASKS)

    def ask(_number: int) -> str:
        together.wait()
        return session.token()

    with ThreadPoolExecutor(TASKS) as pool:
        tokens = set(pool.map(ask, range(TASKS)))

    assert len(tokens) == 1
    assert len(wire.refreshes) == 1


def test_tasks_of_two_loops_and_threads_share_one_refresh(client: Client, wire: Wire) -> None:
    session = client.login()
    client.clock.ahead = 900
    together = Barrier(3)
    found: list[str] = []

    async def tasks() -> None:
        await asyncio.to_thread(together.wait)
        found.extend(await asyncio.gather(*(session.atoken() for _ in range(20))))

    def thread() -> None:
        together.wait()
        found.append(session.token())

    doing = [Thread(target=lambda: asyncio.run(tasks())) for _ in range(2)] + [Thread(target=thread)]
    for one in doing:
        one.start()
    for one in doing:
        one.join()

    assert len(found) == 41
    assert len(set(found)) == 1
    assert len(wire.refreshes) == 1


def test_who_is_cancelled_takes_nobody_along(client: Client, wire: Wire) -> None:
    session = client.login()
    client.clock.ahead = 900

    async def cancelling() -> list[str]:
        leader = asyncio.create_task(session.atoken())
        await asyncio.sleep(0)
        followers = [asyncio.create_task(session.atoken()) for _ in range(5)]
        await asyncio.sleep(0)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return await asyncio.gather(*followers)

    assert len(set(asyncio.run(cancelling()))) == 1
    assert len(wire.refreshes) == 1


def test_a_loop_that_is_closed_takes_nobody_along(client: Client, wire: Wire) -> None:
    session = client.login()
    client.clock.ahead = 900

    async def begun() -> None:
        waiting = asyncio.create_task(session.atoken())
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(begun())

    assert session.token() == session.tokens.access
    assert len(wire.refreshes) == 1


def test_waiting_for_the_lock_of_another_process_blocks_no_loop(client: Client, wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    session = client.login(file=path)
    client.clock.ahead = 900

    async def ticking() -> int:
        waiting = asyncio.create_task(session.atoken())
        ticks = 0
        while ticks < 50:
            await asyncio.sleep(0.001)
            ticks += not waiting.done()
        os.kill(holder.pid, signal.SIGKILL)
        assert await waiting
        return ticks

    with holding(path) as holder:
        assert asyncio.run(ticking()) == 50

    assert len(wire.refreshes) == 1


def test_a_lock_that_is_held_for_too_long_is_unavailable(client: Client, wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    client.login(file=path)
    session = ClientSession.from_file(path, issuer=Issuer(wire.url, patience_seconds=0.1))

    with holding(path), pytest.raises(Unavailable, match="token file"):
        session.renew()

    assert wire.refreshes == []


def test_a_killed_process_strands_nobody(client: Client, wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    session = client.login(file=path)
    with holding(path) as holder:
        os.kill(holder.pid, signal.SIGKILL)

        assert session.renew()


def test_a_process_that_is_killed_before_its_answer_came_strands_nobody(
    client: Client, wire: Wire, tmp_path: Path
) -> None:
    path = tmp_path / "tokens.json"
    session = client.login(file=path)
    wire.fate = lambda path, _number: Fate.LOSE if path == "/auth/refresh" else Fate.PASS
    with worker(path, "renew") as killed:
        wait_for(lambda: bool(wire.refreshes))
        killed.kill()
        killed.wait()

    wire.fate = lambda _path, _number: Fate.PASS
    first = session.renew()

    assert len(set(wire.refreshes)) == 1
    assert session.renew() != first


def test_no_storm_on_an_issuer_that_is_down(client: Client, wire: Wire) -> None:
    tokens = client.login().tokens
    issuer = Issuer(wire.url, patience_seconds=1, clock=client.clock)
    session = ClientSession.from_tokens(issuer, tokens.access, tokens.refresh)
    client.clock.ahead = 900
    wire.fate = lambda _path, _number: Fate.REFUSE

    def ask(_number: int) -> int:
        failed = 0
        until = time.monotonic() + 2
        while time.monotonic() < until:
            with pytest.raises(Unavailable) as raised:
                session.token()
            assert raised.value.retry_after >= 1
            failed += 1
            time.sleep(0.01)
        return failed

    with ThreadPoolExecutor(TASKS) as pool:
        failures = sum(pool.map(ask, range(TASKS)))

    assert failures > 2 * TASKS
    assert len(wire.to("/auth/refresh")) <= 12  # tries of two flights, each further apart than the one before


def test_what_the_issuer_asks_for_is_kept(client: Client, wire: Wire) -> None:
    session = client.login()
    answer = b"HTTP/1.1 503 X\r\nRetry-After: 100000\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    wire.fate = lambda _path, _number: answer

    for _ in range(5):
        with pytest.raises(Unavailable) as raised:
            session.renew()

    assert 290 <= raised.value.retry_after <= 300
    assert len(wire.to("/auth/refresh")) == 1


def test_a_forked_child_renews_for_itself(client: Client, wire: Wire, tmp_path: Path) -> None:
    script = """
import os, sys
from jotgate.client import ClientSession
session = ClientSession.from_file(sys.argv[1])
first = session.token()
renewal = session.renewal(first)
pid = os.fork()
assert session.renew(first) != first
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    path = tmp_path / "tokens.json"
    client.login(file=path)

    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(path)], check=True, timeout=60)

    assert len(wire.refreshes) == 1


def test_who_could_not_renew_adopts_what_another_process_could(client: Client, wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    client.login(file=path)
    issuer = Issuer(wire.url, patience_seconds=1, clock=client.clock)
    unlucky, lucky = (ClientSession.from_file(path, issuer=issuer) for _ in range(2))
    wire.fate = lambda _path, _number: http(503, Retry_After="300")
    with pytest.raises(Unavailable):
        unlucky.renew()

    wire.fate = lambda _path, _number: Fate.PASS
    renewed = lucky.renew()

    assert unlucky.renew() == renewed


def test_a_trouble_is_told_once_and_not_at_every_request(
    client: Client, wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = [client.login(), client.login(file=tmp_path / "tokens.json")]
    wire.fate = lambda _path, _number: http(503, Retry_After="300")

    for session in sessions * 5:
        with pytest.raises(Unavailable):
            session.renew()

    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert len(wire.to("/auth/refresh")) == 2
