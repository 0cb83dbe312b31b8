"""Three nodes behind a real HAProxy, set up by `deploy/haproxy-nodes.cfg`, are restarted under load: nothing fails."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest

from jotgate import Guard
from jotgate.errors import JotgateError
from tests.interop.peers import configured, program, running
from tests.live.nodes import installation
from tests.live.people import PASSWORD, network, settle
from tests.live.process import Server, free_port
from tests.live.talk import Answer, Api, Line, NoAnswerError
from tests.servers.postgres import fresh_database

DRAIN = "2s"
NO_SECOND_CHANCE = {"option redispatch\n": "\n", "retries 3": "retries 0", "retry-on conn-failure empty-response": ""}
NOTICE_SECONDS = 1.0  # until the balancer sends requests to a node that is back
REFRESHING, PAUSE_SECONDS = 6, 0.01

Step = Callable[[Line], Awaitable[Answer]]


@dataclass
class Load:
    """Clients of the balancer that go on until they are told to stop; every answer counts."""

    port: int
    emails: list[str]
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)  # the newest access token of each session
    over: Event = field(default_factory=Event)

    async def run(self) -> None:
        """All of them; every user but the last is logged in once."""
        line = Line(self.port)
        pairs = {email: (await self._login(line, email)).json for email in self.emails[:-1]}
        self.tokens = {email: pair["access_token"] for email, pair in pairs.items()}
        await line.close()
        await asyncio.gather(
            *(self._refreshing(email, pair["refresh_token"]) for email, pair in pairs.items()),
            self._repeated("login", lambda line: self._login(line, self.emails[-1])),
            self._repeated("me", lambda line: line.request("GET", "/auth/me", headers=self.bearer(0))),
            self._repeated("keys", lambda line: line.request("GET", "/.well-known/jwks.json")),
            self._repeated("news", lambda line: line.request("GET", "/revocations?wait=0")),
        )

    def bearer(self, number: int) -> dict[str, str]:
        """With the newest access token of this user."""
        return {"Authorization": f"Bearer {self.tokens[self.emails[number]]}"}

    async def _refreshing(self, email: str, token: str) -> None:
        async def refresh(line: Line) -> Answer:
            nonlocal token
            answer = await line.post("/auth/refresh", {"refresh_token": token})
            if answer.status == 200:
                token, self.tokens[email] = answer.json["refresh_token"], answer.json["access_token"]
            return answer

        await self._repeated("refresh", refresh)

    async def _login(self, line: Line, email: str) -> Answer:
        return await line.post("/auth/login", {"email": email, "password": PASSWORD})

    async def _repeated(self, what: str, step: Step) -> None:
        line = Line(self.port)
        while not self.over.is_set():
            try:
                answer = await step(line)
            except NoAnswerError as error:
                self.failures.append(f"{what}: {error}")
                continue
            self.answers[what] += 1
            if answer.status != 200:
                self.failures.append(f"{what}: {answer}")
            await asyncio.sleep(PAUSE_SECONDS)
        await line.close()


@contextmanager
def loaded(port: int, emails: list[str]) -> Iterator[Load]:
    """Under load as long as the block goes on."""
    load = Load(port, emails)
    thread = Thread(target=lambda: asyncio.run(load.run()))
    thread.start()
    try:
        while not all(load.answers[what] for what in ("refresh", "login", "me", "keys", "news")):
            assert thread.is_alive(), load.failures
            time.sleep(0.05)
        yield load
    finally:
        load.over.set()
        thread.join(60)


@contextmanager
def balanced(home: Path, port: int, nodes: tuple[Server, ...]) -> Iterator[None]:
    """HAProxy on this port, before these nodes; it asks nobody twice, so that whatever fails is seen."""
    places = {
        f"node{number} node{number}:8000": f"node{number} 127.0.0.1:{node.port}" for number, node in _named(nodes)
    }
    path = configured("haproxy-nodes.cfg", home, {"bind :8080": f"bind 127.0.0.1:{port}", **places, **NO_SECOND_CHANCE})
    with running(program("haproxy"), "-db", "-f", str(path), port=port, home=home):
        deadline = time.monotonic() + 20
        with Api(port) as api:
            while api.get("/readyz").status != 200:
                assert time.monotonic() < deadline, (home / "log").read_text()
                time.sleep(0.05)
        yield


def _named(nodes: tuple[Server, ...]) -> list[tuple[int, Server]]:
    return list(enumerate(nodes, start=1))


def served(node: Server) -> int:
    """How many refreshes this node has served since it was started, as one of its processes says."""
    with node.api() as api:
        lines = api.get("/metrics").body.decode().splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("jotgate_refreshes_total"))


@pytest.mark.alone
def test_nodes_are_restarted_one_after_the_other_and_no_request_fails(tmp_path: Path) -> None:
    program("haproxy")
    port = free_port()
    settings = {"ISSUER": f"http://127.0.0.1:{port}", "DRAIN": DRAIN}
    each: tuple[dict[str, str], ...] = ({"WORKERS": "2"}, {}, {})
    with (
        installation(tmp_path, 3, database=fresh_database(), each=each, **settings) as nodes,
        balanced(tmp_path, port, nodes),
        closing(Guard(settings["ISSUER"])) as guard,
    ):
        emails = settle(nodes[0], [f"user-{number}" for number in range(REFRESHING + 1)])
        with loaded(port, emails) as load:
            for node in nodes:
                before = load.answers.total()
                assert node.stop() == 0
                guard.verify(load.tokens[emails[0]])
                node.start()
                time.sleep(NOTICE_SECONDS)
                assert load.answers.total() > before
            restarted = [served(node) for node in nodes]
        token = load.tokens[emails[1]]
        guard.verify(token)
        with Api(port) as api:
            api.post("/auth/logout", headers=load.bearer(1))

        print(f"\n{dict(load.answers)}, refreshes since each node's restart: {restarted}")
        assert load.failures == []
        assert all(restarted)
        assert refuses(guard, token)


def refuses(guard: Guard, token: str) -> bool:
    """Sooner or later."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            guard.verify(token)
        except JotgateError:
            return True
        time.sleep(0.02)
    return False


def test_the_balancer_counts_callers_by_their_own_addresses(tmp_path: Path) -> None:
    program("haproxy")
    port = free_port()
    with (
        installation(tmp_path, 1, ISSUER=f"http://127.0.0.1:{port}") as nodes,
        balanced(tmp_path, port, (*nodes, *nodes, *nodes)),
        Api(port) as api,
    ):
        (email,) = settle(nodes[0], ["ada"])
        pair = api.login(email, PASSWORD, headers={"X-Forwarded-For": network(7), "Forwarded": f"for={network(8)}"})
        sessions = api.get("/auth/sessions", headers={"Authorization": f"Bearer {pair['access_token']}"}).json

        assert "127.0.0.1" in str(sessions)
        assert network(7) not in str(sessions)
        assert api.get("/metrics").status == 404
