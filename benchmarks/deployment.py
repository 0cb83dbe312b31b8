"""What a deployment of so many users takes, by the unit costs of this run: cores, memory, database, news, guards.

Unit costs are measured on one node and one PostgreSQL that hold a crowd (`crowd`); the sizes of a deployment are
arithmetic (`needs`), with what is assumed about people in `Habits`. The document gets both, and the formula.
"""

import asyncio
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil

from benchmarks import million, pinned
from benchmarks.crowd import Crowd, fill
from benchmarks.databases import Databases, postgres
from benchmarks.load import Job
from benchmarks.over_http import CONNECTIONS, SERVER_CORE, cpu_of, networks, play_once
from benchmarks.report import Row
from benchmarks.scale import AT_ONCE, LOGIN, LOGINS, REFRESH
from jotgate.wire.feed import Entry, Page, encode_page
from tests.live.process import Server

TASK = "unit cost"
USERS = (10**4, 10**6, 10**8, 10**9)
DAY = 86_400
BUSY = 0.6  # of a core: above it, waiting grows
REMEMBERED_SECONDS = 900 + 180  # access token, leeway and skew: how long guards keep an entry of the feed
WAL_LIMIT = 100e6  # bytes a second that one primary writes, ships and replays in comfort
ROOM_LIMIT = 4e12  # bytes that are backed up and restored within a day
CORES_LIMIT = 32
PAGE = 8192  # bytes of PostgreSQL's pages: the first change after a checkpoint logs the whole page
CHECKPOINT_SECONDS = 300  # between two, as PostgreSQL comes


@dataclass(frozen=True, slots=True)
class Habits:
    """What is assumed about people; another service puts in its own."""

    sessions: float = 2.0  # live ones, of each user
    active: float = 0.10  # of all users, on a day
    refreshes: float = 3.0  # of one who is active, on that day
    logins: float = 0.2  # with a password, likewise
    logouts: float = 0.1  # and whatever else the feed is told of, likewise
    peak: float = 3.0  # times the mean of the day


@dataclass(frozen=True, slots=True)
class Units:
    """Seconds of CPU time and bytes, for one of each."""

    refresh_node: float
    refresh_database: float
    login_node: float
    login_database: float
    refresh_wal: float
    session_room: float
    user_room: float
    entry_wire: float
    entry_guard: float
    node_memory: float


@dataclass(frozen=True, slots=True)
class Needs:
    """Of a deployment, in its busiest second."""

    refreshes: float  # a second
    logins: float
    node_cores: float
    database_cores: float
    room: float  # bytes
    wal: float  # bytes a second
    feed: float  # bytes a second, to each guard
    entries: float  # that a guard holds
    guard_memory: float  # bytes for them


def needs(users: float, units: Units, habits: Habits | None = None) -> Needs:
    """The formula."""
    people = habits or Habits()
    a_second = users * people.active * people.peak / DAY
    refreshes, logins, closings = (a_second * times for times in (people.refreshes, people.logins, people.logouts))
    entries = closings * REMEMBERED_SECONDS
    pages = users * people.sessions * units.session_room / PAGE
    whole_pages = pages * -math.expm1(-refreshes * CHECKPOINT_SECONDS / pages) / CHECKPOINT_SECONDS  # a second
    return Needs(
        refreshes=refreshes,
        logins=logins,
        node_cores=(refreshes * units.refresh_node + logins * units.login_node) / BUSY,
        database_cores=(refreshes * units.refresh_database + logins * units.login_database) / BUSY,
        room=users * (units.user_room + people.sessions * units.session_room),
        wal=refreshes * units.refresh_wal + whole_pages * PAGE,
        feed=closings * units.entry_wire,
        entries=entries,
        guard_memory=entries * units.entry_guard,
    )


def too_many(units: Units, habits: Habits | None = None) -> tuple[float, str]:
    """From how many users on one PostgreSQL is not enough, and what runs out first."""
    one = needs(1.0, units, habits)
    return min(
        (CORES_LIMIT / one.database_cores, f"{CORES_LIMIT} cores"),
        (WAL_LIMIT / one.wal, f"{WAL_LIMIT / 1e6:.0f} MB of WAL a second"),
        (ROOM_LIMIT / one.room, f"{ROOM_LIMIT / 1e12:.0f} TB"),
    )


# --- the unit costs


def measure(*, quick: bool) -> list[Row]:
    """A row for each unit."""
    sessions, seconds = (10**5, 3.0) if quick else (10**6, 15.0)
    with TemporaryDirectory() as home, postgres() as databases:
        with _node(Path(home) / "node", databases, sessions) as (server, crowd, url):
            found = _played(server, crowd, databases, url, seconds=seconds)
            found["node_memory"] = float(psutil.Process(server.pid).memory_info().rss)
        found |= asyncio.run(_rooms(url))
    found |= {"entry_wire": _on_the_wire(), "entry_guard": _in_a_guard()}
    return [_row(name, found[name]) for name in (field.name for field in fields(Units))]


def _row(name: str, value: float) -> Row:
    if name.startswith(("refresh_wal", "session", "user", "entry", "node")):
        return Row(TASK, name, note=f"{value:.0f} bytes")
    return Row(TASK, name, cpu=value)


def units_of(rows: Sequence[Row]) -> Units:
    """The same, read again from the rows of a run."""
    found = {row.who: row.cpu if row.cpu is not None else float(row.note.split()[0]) for row in rows}
    return Units(**found)


@contextmanager
def _node(home: Path, databases: Databases, sessions: int) -> Iterator[tuple[Server, Crowd, str]]:
    home.mkdir()
    url = databases.fresh()
    wrap = (sys.executable, pinned.__file__, SERVER_CORE)
    server = Server(home, settings={"DATABASE_URL": url, "TRUSTED_PROXIES": "127.0.0.1"}, wrap=wrap)
    crowd = fill(server.environment, sessions)
    server.start()
    try:
        yield server, crowd, url
    finally:
        server.stop()


def _played(server: Server, crowd: Crowd, databases: Databases, url: str, *, seconds: float) -> dict[str, float]:
    """Refreshes and logins: what the node and the database take of CPU time for one, and the database of its log."""
    deck = crowd.tokens(0, int(10_000 * seconds), hand=crowd.sessions)
    jobs = {
        "refresh": Job(server.port, "/auth/refresh", [], networks(CONNECTIONS), seconds, deck=deck, template=REFRESH),
        "login": Job(
            server.port, "/auth/login", [], networks(AT_ONCE), seconds, deck=crowd.emails(LOGINS), template=LOGIN
        ),
    }
    node, database = psutil.Process(server.pid), psutil.Process(databases.pid)
    found: dict[str, float] = {}
    for what, job in jobs.items():
        time.sleep(1)  # figures of the log are a little behind
        written, spent = asyncio.run(_wal(url)), cpu_of(database)
        turn, result = play_once(job, lambda: cpu_of(node))
        answered = result.statuses[200]
        found |= {f"{what}_node": turn.cpu, f"{what}_database": (cpu_of(database) - spent) / answered}
        if what == "refresh":
            time.sleep(1)
            found["refresh_wal"] = (asyncio.run(_wal(url)) - written) / answered
    return found


async def _wal(url: str) -> float:
    """Bytes of it but for whole pages, which `needs` counts by itself."""
    sql = f"select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn) - {PAGE} * wal_fpi from pg_stat_wal"
    return float(await _asked(url, sql))


async def _rooms(url: str) -> dict[str, float]:
    """Bytes of a session and of a user, indexes included."""
    sql = "select pg_total_relation_size('{0}')::float8 / (select count(*) from {0})"
    return {f"{name}_room": float(await _asked(url, sql.format(f"{name}s"))) for name in ("session", "user")}


async def _asked(url: str, sql: str) -> float:
    connection = await asyncpg.connect(url)
    try:
        return float(await connection.fetchval(sql))
    finally:
        await connection.close()


def _on_the_wire(entries: int = 1000) -> float:
    some = tuple(Entry("sid", os.urandom(16), None, int(time.time())) for _ in range(entries))
    return len(encode_page(Page("0123456789abcdef.100000", more=False, reset=False, entries=some))) / entries


def _in_a_guard() -> float:
    rows = million.measure(quick=False)  # with fewer entries the first pages of the feed would be most of it
    peak = next(row.note for row in rows if row.who == "memory, at most")
    return float(peak.split()[0]) * 2**20 / million.ENTRIES


# --- the document


def markdown(rows: Sequence[Row]) -> str:
    """The table of deployments, the unit costs behind it, and where one PostgreSQL ends."""
    units = units_of(rows)
    users, why = too_many(units)
    head = "| users | " + " | ".join(f"{count:.0e}".replace("e+0", "e") for count in USERS) + " |"
    lines = [head, "|---|" + "---:|" * len(USERS)]
    found = [needs(count, units) for count in USERS]
    for title, show in _LINES.items():
        lines.append(f"| {title} | " + " | ".join(show(one) for one in found) + " |")
    costs = ", ".join(f"`{name}` {_said(name, getattr(units, name))}" for name in Units.__dataclass_fields__)
    ends = f"One PostgreSQL serves up to {users:.1e} users; there {why} are reached."
    return "\n".join([*lines, "", f"Unit costs: {costs}.", "", ends])


def _said(name: str, value: float) -> str:
    return _size(value) if name in _BYTES else f"{value * 1e6:,.0f} us"


_BYTES: Mapping[str, None] = dict.fromkeys(
    ("refresh_wal", "session_room", "user_room", "entry_wire", "entry_guard", "node_memory")
)
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def _size(count: float) -> str:
    for size, name in _SIZES:
        if count >= size:
            return f"{count / size:.1f} {name}"
    return f"{count:.0f} B"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


_LINES: Mapping[str, Callable[[Needs], str]] = {
    "refreshes in the busiest second": lambda one: _number(one.refreshes),
    "logins in it": lambda one: _number(one.logins),
    "cores of nodes": lambda one: _number(one.node_cores),
    "cores of PostgreSQL": lambda one: _number(one.database_cores),
    "database": lambda one: _size(one.room),
    "its log (WAL), a second": lambda one: _size(one.wal),
    "news to each guard, a second": lambda one: _size(one.feed),
    "entries that a guard holds": lambda one: _number(one.entries),
    "memory of a guard for them": lambda one: _size(one.guard_memory),
}
