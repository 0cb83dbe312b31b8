"""Whether cost stays flat: a refresh and a login beside 10^3, 10^5 and 10^7 sessions, the room of one, the sweeper.

Each size is an installation of its own, filled in bulk (`crowd`); all are up at once and take turns in short rounds,
one server on core 0, load and database on core 1. Refreshes go to sessions all over the table, logins to users all over
it. CPU time is the server's, and the database's too where it is a server of its own.

The goal holds for a database that is in memory. What it costs when nearly every page has to be read from the disk first
is shown for the largest size.
"""

import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

from benchmarks import pages, pinned
from benchmarks.crowd import PASSWORD, Crowd, fill
from benchmarks.databases import Databases, postgres
from benchmarks.load import Job, Result
from benchmarks.over_http import CONNECTIONS, SERVER_CORE, Round, cpu_of, networks, play_once, take_turns
from benchmarks.report import Row, at_most
from tests.live.process import Server

SIZES, QUICK_SIZES = (10**3, 10**5, 10**7), (10**3, 10**5)
FLAT, BYTES_A_SESSION = 1.3, 400
SWEPT, QUICK_SWEPT, LONGEST_SECONDS = 10**6, 10**5, 0.05
LOGINS, AT_ONCE = 4000, 5
WARM_SECONDS = 5.0
REFRESH, LOGIN = '{"refresh_token":"TOKEN"}', f'{{"email":"TOKEN","password":"{PASSWORD}"}}'
SQLITE, POSTGRES = "SQLite", "PostgreSQL"


def measure(*, quick: bool) -> list[Row]:
    """All rows of this part."""
    seconds, rounds, sizes = (1.0, 3, QUICK_SIZES) if quick else (3.0, 7, SIZES)
    with TemporaryDirectory() as home:  # first: a disk that has just forgotten gigabytes is slow for a while
        alone = [_room(Path(home) / "room", quick=quick), _swept(Path(home) / "swept", QUICK_SWEPT if quick else SWEPT)]
    rows: list[Row] = []
    with TemporaryDirectory() as home, postgres() as databases:
        for on, url in ((SQLITE, None), (POSTGRES, databases)):
            rows += _beside_many(Path(home) / on, on, url, sizes=sizes, seconds=seconds, rounds=rounds)
    return rows + alone


# --- a refresh and a login beside many sessions


def _beside_many(
    home: Path, on: str, databases: Databases | None, *, sizes: Sequence[int], seconds: float, rounds: int
) -> list[Row]:
    with ExitStack() as stack:
        up = {}
        for size in sizes:
            print(f"  {size:,} sessions on {on} ...", file=sys.stderr, flush=True)
            up[size] = stack.enter_context(_installed(home / str(size), size, databases))
        folders = {one.folder for one in up.values()}
        with pages.held(folders):
            warm = min(WARM_SECONDS, seconds * 2)
            players = {str(size): one.refreshes for size, one in up.items()}
            refreshes = take_turns(players, rounds=rounds, seconds=seconds, warm=warm)
            logins = take_turns({str(n): one.logins for n, one in up.items()}, rounds=rounds, seconds=seconds)
        cold = [_cold(up[sizes[-1]], folders, seconds=seconds) for _ in range(rounds)]
    rows = rows_of(f"refresh, {on}", {int(size): turns for size, turns in refreshes.items()})
    rows.append(_cold_row(f"refresh, {on}", cold, beside=refreshes[str(sizes[0])]))
    return rows + rows_of(f"login, {on}", {int(size): turns for size, turns in logins.items()})


def _cold(one: "_Installation", folders: Iterable[Path], *, seconds: float) -> Round:
    pages.put_out(folders)
    return one.refreshes(seconds)


def _cold_row(task: str, cold: Sequence[Round], *, beside: Sequence[Round]) -> Row:
    cpu = median(turn.cpu for turn in cold)
    times = cpu / median(turn.cpu for turn in beside)
    note = f"{times:.2f} x; p99 {median(turn.p99 for turn in cold) * 1000:.1f} ms"
    rate = median(turn.rate for turn in cold)
    return Row(task, "the same, read from the disk", cpu=cpu, rate=rate, note=note)


def rows_of(task: str, seen: dict[int, list[Round]]) -> list[Row]:
    """One row a size; the last one holds the goal."""
    fewest, most = min(seen), max(seen)
    rows = []
    for size, turns in sorted(seen.items()):
        times = median(turn.cpu / first.cpu for turn, first in zip(turns, seen[fewest], strict=True))
        text = "at most {limit} times the CPU time beside the fewest ({value:.2f})"
        rows.append(
            Row(
                task,
                f"beside {size:,} sessions",
                cpu=median(turn.cpu for turn in turns),
                rate=median(turn.rate for turn in turns),
                note=f"{times:.2f} x; p99 {median(turn.p99 for turn in turns) * 1000:.1f} ms",
                goal=at_most(text, times, FLAT) if size == most else None,
            )
        )
    return rows


class _Installation:
    """A server with a crowd in its database."""

    def __init__(self, server: Server, crowd: Crowd, parts: Sequence[psutil.Process], folder: Path) -> None:
        self.server, self._crowd, self._parts = server, crowd, parts
        self.folder = folder  # of the database's files
        self._dealt = 0

    def refreshes(self, seconds: float) -> Round:
        """Of sessions all over the table."""
        count = int(12_000 * seconds)
        deck = self._crowd.tokens(self._dealt, count)
        turn, result = self._play(deck, "/auth/refresh", REFRESH, seconds=seconds, at_once=CONNECTIONS)
        self._dealt += sum(result.statuses.values()) + CONNECTIONS  # those dealt last were not played, perhaps
        return turn

    def logins(self, seconds: float) -> Round:
        """Of users all over the table."""
        return self._play(self._crowd.emails(LOGINS), "/auth/login", LOGIN, seconds=seconds, at_once=AT_ONCE)[0]

    def _play(self, deck: list[str], path: str, template: str, *, seconds: float, at_once: int) -> tuple[Round, Result]:
        job = Job(self.server.port, path, [], networks(at_once), seconds=seconds, deck=deck, template=template)
        return play_once(job, lambda: sum(map(cpu_of, self._parts)))


@contextmanager
def _installed(home: Path, size: int, databases: Databases | None = None) -> Iterator[_Installation]:
    """Filled, then started on the server's core."""
    home.mkdir(parents=True)
    settings = {"TRUSTED_PROXIES": "127.0.0.1"} | ({"DATABASE_URL": databases.fresh()} if databases else {})
    server = Server(home, settings=settings, wrap=(sys.executable, pinned.__file__, SERVER_CORE))
    crowd = fill(server.environment, size)
    server.start()
    try:
        parts = [server.pid, *([databases.pid] if databases else [])]
        folder = databases.folder if databases else server.data_dir
        yield _Installation(server, crowd, [psutil.Process(pid) for pid in parts], folder)
    finally:
        server.stop()


# --- the room of a session


def _room(home: Path, *, quick: bool) -> Row:
    """What the file grows by for each session; the users are not counted."""
    sessions = 10**5 if quick else 10**6
    home.mkdir(parents=True)
    server = Server(home)
    fill(server.environment, sessions)
    with closing(sqlite3.connect(server.data_dir / "jotgate.db")) as connection:
        (size,) = connection.execute(
            """select sum(pgsize) from dbstat where name = 'sessions'
            or name in (select name from sqlite_master where tbl_name = 'sessions')"""
        ).fetchone()
    each = size / sessions
    goal = at_most("at most {limit} bytes a session ({value:.0f})", each, BYTES_A_SESSION)
    return Row("room of a session, SQLite", f"of {sessions:,}", note="table and indexes", goal=goal)


# --- the sweeper


def _swept(home: Path, closed: int) -> Row:
    """So many sessions that nobody needs any more go, while one client refreshes every few milliseconds."""
    home.mkdir(parents=True)
    server = Server(home, settings={"REGISTRATION": "open"})
    fill(server.environment, closed, age_days=100, closed=True)
    server.start()
    try:
        latencies, took = _beside_the_sweep(server)
    finally:
        server.stop()
    ordered = sorted(latencies)
    goal = at_most(
        f"no refresh over {{limit:.0f}} ms while {closed:,} go ({{value:.1f}} ms)",
        ordered[-1] * 1000,
        LONGEST_SECONDS * 1000,
    )
    note = f"p50 {median(ordered) * 1000:.1f} ms, p99 {ordered[len(ordered) * 99 // 100] * 1000:.1f} ms; {took:.0f} s"
    return Row(f"sweep of {closed:,} closed sessions", f"{len(ordered):,} refreshes beside it", note=note, goal=goal)


def _beside_the_sweep(server: Server) -> tuple[list[float], float]:
    latencies = []
    began = time.monotonic()
    with server.api() as api, closing(sqlite3.connect(server.data_dir / "jotgate.db")) as beside:
        api.register("beside@example.com", PASSWORD)
        token = api.login("beside@example.com", PASSWORD)["refresh_token"]
        while beside.execute("select 1 from sessions where closed_at is not null limit 1").fetchone():
            for _ in range(100):
                started = time.perf_counter()
                answer = api.post("/auth/refresh", {"refresh_token": token})
                latencies.append(time.perf_counter() - started)
                token = answer.json["refresh_token"]
                time.sleep(0.002)
    return latencies, time.monotonic() - began
