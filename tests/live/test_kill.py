"""kill -9 of a real server during load, fifty times, each time on the same data directory.

Clients refresh, log in and log out without a pause, and now and then an operator rotates the signing key. What was
answered must have happened; what was not answered may have happened or not, and is tried again.
"""

import asyncio
import base64
import random
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.live.people import PASSWORD, settle
from tests.live.process import Server
from tests.live.talk import Answer, Api, Line, NoAnswerError, bearer

LIVES = 50
REFRESHERS, COMERS = 10, 4
READY_SECONDS, READY_AT_WORST = 2.0, 10.0  # the goal for the median; what a crowded machine may take once
LOGOUT_SECONDS = 20.0  # that a crowded machine may take for a login and a logout


@dataclass
class Client:
    """Somebody with a session; `unanswered` while it is not known whether the last refresh happened."""

    token: str
    access: str
    unanswered: bool = False
    refreshes: int = 0

    async def live(self, port: int) -> None:
        """Refresh until the server dies."""
        line = Line(port)
        try:
            while True:
                self.unanswered = True
                answer = await line.post("/auth/refresh", {"refresh_token": self.token})
                assert answer.status == 200, answer
                self.take(answer)
                self.refreshes += 1
        except NoAnswerError:
            pass
        finally:
            await line.close()

    def take(self, answer: Answer) -> None:
        """The tokens of an answer."""
        self.token, self.access, self.unanswered = answer.json["refresh_token"], answer.json["access_token"], False


@dataclass
class Comer:
    """Somebody who logs in and out; every other session stays open."""

    email: str
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    turns: int = 0

    async def live(self, port: int) -> None:
        """Come and go until the server dies."""
        line = Line(port)
        try:
            while True:
                await self.come_and_go(line)
        except NoAnswerError:
            pass
        finally:
            await line.close()

    async def come_and_go(self, line: Line) -> None:
        self.turns += 1
        answer = await line.post("/auth/login", {"email": self.email, "password": PASSWORD})
        assert answer.status == 200, answer
        token = answer.json["refresh_token"]
        if self.turns % 2:
            self.opened.append(token)
            return
        answer = await line.post("/auth/logout", {"refresh_token": token})
        assert answer.status == 204, answer
        self.closed.append(token)


def test_nothing_acknowledged_is_lost_and_nobody_is_stranded(tmp_path: Path) -> None:
    server = Server(tmp_path)
    dice = random.Random(20_261_122)
    took = [server.start()]
    try:
        emails = settle(server, [f"user-{number}" for number in range(REFRESHERS + COMERS)])
        with server.api() as api:
            pairs = [api.login(email, PASSWORD) for email in emails[COMERS:]]
        clients = [Client(pair["refresh_token"], pair["access_token"]) for pair in pairs]
        comers = [Comer(email) for email in emails[:COMERS]]

        for life in range(LIVES):
            operator = server.beside("key", "rotate", "--at-once") if life % 10 == 0 else None
            seconds = dice.uniform(0.02, 0.4)
            asyncio.run(_load_until_killed(server, clients, comers, seconds=seconds, until_logout=life % 5 == 0))
            _no_generation_was_lost_or_skipped(server.data_dir, clients)
            took.append(server.start())
            assert operator is None or operator.wait(60) == 0
            with server.api() as api:
                _nobody_is_stranded(api, clients)
                _what_was_acknowledged_is_there(api, comers)

        with server.api() as api:
            _guards_learn_of_every_logout(api, comers)
    finally:
        server.kill()
    _the_database_is_whole(server.data_dir)
    refreshes = sum(client.refreshes for client in clients)
    print(
        f"\n{LIVES} kills; acknowledged {refreshes} refreshes, {_logouts(comers)} logouts;"
        f" ready again: median {median(took):.2f} s, worst {max(took):.2f} s"
    )
    assert min(client.refreshes for client in clients) > LIVES
    assert _logouts(comers) >= LIVES // 5
    assert median(took) <= READY_SECONDS
    assert max(took) <= READY_AT_WORST


async def _load_until_killed(
    server: Server, clients: list[Client], comers: list[Comer], *, seconds: float, until_logout: bool
) -> None:
    lives = [client.live(server.port) for client in clients] + [comer.live(server.port) for comer in comers]
    load = [asyncio.create_task(life) for life in lives]
    logouts = _logouts(comers)
    await asyncio.sleep(seconds)
    deadline = time.monotonic() + (LOGOUT_SECONDS if until_logout else 0)
    for _ in iter(lambda: _logouts(comers) > logouts or time.monotonic() > deadline, True):
        await asyncio.sleep(0.005)
    server.kill()
    await asyncio.gather(*load)


def _no_generation_was_lost_or_skipped(data_dir: Path, clients: list[Client]) -> None:
    """The row has the generation that was acknowledged, or the next one where an answer was on its way."""
    with closing(sqlite3.connect(data_dir / "jotgate.db")) as database:
        rows = dict(database.execute("select id, generation from sessions where closed_at is null").fetchall())
    for client in clients:
        session, generation = read_token(client.token)
        assert rows[session] in {generation, generation + client.unanswered}, (rows[session], generation, client)


def _nobody_is_stranded(api: Api, clients: list[Client]) -> None:
    """A retry with the token that is there gets the successor, and always the same one."""
    for client in clients:
        if client.unanswered:
            answers = [api.post("/auth/refresh", {"refresh_token": client.token}) for _ in range(2)]
            assert [answer.status for answer in answers] == [200, 200], answers
            assert answers[0].json["refresh_token"] == answers[1].json["refresh_token"]
            assert read_token(answers[0].json["refresh_token"])[1] == read_token(client.token)[1] + 1
            client.take(answers[0])
        assert api.get("/auth/me", headers=bearer(client.access)).status == 200


def _what_was_acknowledged_is_there(api: Api, comers: list[Comer]) -> None:
    for comer in comers:
        for at, token in enumerate(comer.opened[-3:], start=max(0, len(comer.opened) - 3)):
            answer = api.post("/auth/refresh", {"refresh_token": token})
            assert answer.status == 200, answer
            comer.opened[at] = answer.json["refresh_token"]
        for token in comer.closed[-10:]:
            answer = api.post("/auth/refresh", {"refresh_token": token})
            assert (answer.status, answer.json["code"]) == (401, "refresh_invalid"), answer


def _guards_learn_of_every_logout(api: Api, comers: list[Comer]) -> None:
    deadline = time.monotonic() + 10
    wanted = _logouts(comers)
    while (found := _feed_entries(api)) < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found >= wanted


def _logouts(comers: list[Comer]) -> int:
    """Acknowledged so far."""
    return sum(len(comer.closed) for comer in comers)


def _feed_entries(api: Api) -> int:
    page = api.get("/revocations").json
    entries = len(page["entries"])
    while page["more"]:
        page = api.get(f"/revocations?after={page['next']}").json
        entries += len(page["entries"])
    return entries


def _the_database_is_whole(data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "jotgate.db")) as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]


def read_token(token: str) -> tuple[str, int]:
    """Session and generation in a refresh token."""
    raw = base64.urlsafe_b64decode(token.removeprefix("jgr_"))
    return raw[5:21].hex(), int.from_bytes(raw[21:25], "big")
