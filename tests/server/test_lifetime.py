"""From start to stop: lifespan, lazy start, background work, signals, and event loops that come and go."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from jotgate.errors import StartError, Unavailable
from jotgate.flows import keys, sessions
from jotgate.flows.env import Env
from jotgate.server import background
from jotgate.server.app import Application
from tests.server.issuing import PASSWORD, House, Opener, client, issuing

pytestmark = pytest.mark.anyio


class Lifespan:
    """A server that runs an application's lifespan."""

    def __init__(self, app: Application) -> None:
        self.sent: list[str] = []
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(app))

    async def say(self, kind: str) -> Message:
        await self._inbox.put({"type": f"lifespan.{kind}"})
        return await asyncio.wait_for(self._outbox.get(), 10)

    async def _run(self, app: Application) -> None:
        await app({"type": "lifespan"}, self._inbox.get, self._outbox.put)


def _tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("jotgate")}


async def test_the_lifespan_opens_everything_and_gives_it_back(house: House) -> None:
    opener = Opener(house.env)
    app = Application(house.env.policy, opener)
    server = Lifespan(app)

    started = await server.say("startup")
    running = _tasks()
    async with client(app) as http:
        ready = await http.get("/readyz")
    stopped = await server.say("shutdown")

    assert (started["type"], stopped["type"]) == ("lifespan.startup.complete", "lifespan.shutdown.complete")
    assert ready.status_code == 200
    assert running == {"jotgate watch", "jotgate keys", "jotgate sweep"}
    assert _tasks() == set()
    assert (opener.opened, opener.closed) == (1, 1)


async def test_a_start_that_fails_is_told_to_the_server(house: House) -> None:
    opener = Opener(house.env, StartError("the data directory is not writable"))

    answer = await Lifespan(Application(house.env.policy, opener)).say("startup")

    assert answer == {"type": "lifespan.startup.failed", "message": "the data directory is not writable"}


async def test_requests_that_come_together_start_once(house: House) -> None:
    opener = Opener(house.env)
    app = Application(house.env.policy, opener)

    async with client(app) as http:
        answers = await asyncio.gather(*(http.get("/readyz") for _ in range(20)))
    await app.stop()

    assert {answer.status_code for answer in answers} == {200}
    assert opener.opened == 1


async def test_health_needs_no_start(house: House) -> None:
    app = Application(house.env.policy, Opener(house.env, Unavailable("no database")))

    async with client(app) as http:
        answers = [await http.get(path) for path in ("/healthz", "/openapi.json", "/metrics", "/readyz")]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 503]


async def test_stopping_twice_or_before_the_start_is_fine(house: House) -> None:
    await house.app.stop()
    await house.app.start()
    await house.app.stop()
    await house.app.stop()


async def test_a_stopped_issuer_starts_anew(house: House) -> None:
    await house.app.start()
    await house.app.stop()

    await house.app.start()

    assert (await house.http.get("/readyz")).status_code == 200


async def test_what_another_process_did_is_seen_within_a_second(tmp_path: Path) -> None:
    database = tmp_path / "jotgate.db"
    async with issuing(database=database) as house, issuing(database=database) as other:
        await house.user()
        bearer = await house.bearer()
        start = (await house.http.get("/revocations")).json()["next"]
        me = (await house.http.get("/auth/me", headers=bearer)).json()
        before = house.env.keyring.current.signing.kid

        await keys.rotate(other.env, at_once=True)
        await sessions.end(other.env, me["sid"])
        page = (await house.http.get("/revocations", params={"after": start, "wait": "10"})).json()
        after = house.env.keyring.current.signing.kid

    assert [entry[0] for entry in page["entries"]] == ["sid"]
    assert after != before


async def test_work_that_fails_is_logged_once_and_goes_on(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [Unavailable("away"), Unavailable("away"), ValueError("odd")]
    done = asyncio.Event()

    async def work(_env: Env) -> None:
        if errors:
            raise errors.pop(0)
        done.set()

    task = asyncio.create_task(background._every(0, work, house.env))
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()

    messages = [record.getMessage() for record in caplog.records if record.name == "jotgate"]
    assert messages == ["work failed: away"]


async def test_what_nobody_expected_is_logged_with_where_it_happened(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    done = asyncio.Event()
    errors: list[Exception] = [ValueError("odd"), ValueError("odd")]

    async def work(_env: Env) -> None:
        if errors:
            raise errors.pop(0)
        done.set()

    task = asyncio.create_task(background._every(0, work, house.env))
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()

    records = [record for record in caplog.records if record.name == "jotgate"]
    assert len(records) == 1
    assert records[0].exc_info is not None


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What a server's own signal handler hears, set as uvicorn does."""
    numbers: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, _frame: object) -> None:
        numbers.append(number)

    for number in before:
        signal.signal(number, handle)
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("mounted", [False, True])
async def test_a_signal_answers_waiting_guards_before_the_server_stops(
    heard: list[int], number: signal.Signals, *, mounted: bool
) -> None:
    async with issuing() as house:
        server = None if mounted else Lifespan(house.app)
        if server is not None:
            await server.say("startup")
        start = (await house.http.get("/revocations")).json()["next"]
        waiting = asyncio.create_task(house.http.get("/revocations", params={"after": start, "wait": "25"}))
        await asyncio.sleep(0.05)

        os.kill(os.getpid(), number)
        answer = await asyncio.wait_for(waiting, 10)
        ready = await house.http.get("/readyz")
        if server is not None:
            await server.say("shutdown")
        os.kill(os.getpid(), number)

    assert answer.status_code == 200
    assert ready.status_code == 503
    assert heard == [number, number]  # the server heard it too


async def test_stopped_it_gives_the_signals_back(heard: list[int], house: House) -> None:
    servers = signal.getsignal(signal.SIGTERM)

    for _ in range(3):
        await house.app.start()
        during = signal.getsignal(signal.SIGTERM)
        await house.app.stop()
        assert during is not servers

    assert signal.getsignal(signal.SIGTERM) is servers


def test_a_signal_after_the_event_loop_is_gone_is_the_servers_alone(heard: list[int]) -> None:
    async def once() -> None:
        async with issuing() as house:
            await Application(house.env.policy, Opener(house.env)).start()  # and nobody stops it

    asyncio.run(once())
    os.kill(os.getpid(), signal.SIGTERM)

    assert heard == [signal.SIGTERM]


async def test_event_loops_may_come_and_go(house: House, tmp_path: Path) -> None:
    """Starlette's test client, when it is not entered, runs every request in a loop and a thread of its own."""
    database = tmp_path / "jotgate.db"
    opened: list[object] = []
    async with issuing(database=database) as first:
        await first.user()

    @asynccontextmanager
    async def opener() -> AsyncIterator[Env]:
        async with issuing(database=database) as there:
            opened.append(asyncio.get_running_loop())
            yield there.env

    app = Application(house.env.policy, opener)

    def requests() -> list[int]:
        http = TestClient(app)
        body = {"email": "ada@example.com", "password": PASSWORD}
        return [http.get("/readyz").status_code, http.post("/auth/login", json=body).status_code]

    assert await asyncio.to_thread(requests) == [200, 200]
    assert len(opened) == 2


async def test_a_lifespan_may_run_in_any_thread(house: House) -> None:
    opener = Opener(house.env)

    def requests() -> int:
        with TestClient(Application(house.env.policy, opener)) as http:
            status: int = http.get("/healthz").status_code
            return status

    assert await asyncio.to_thread(requests) == 200
    assert (opener.opened, opener.closed) == (1, 1)
