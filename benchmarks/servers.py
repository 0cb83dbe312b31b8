"""Refreshes a second and core beside other servers: one process on core 0, its load and its database on core 1.

Contestants take turns in short rounds of one run. Each figure is the median of its rounds, each ratio the median of
the ratios within a round, so that the machine's pace falls out. What is beside jotgate: raw ASGI handlers with one
statement and one signature (what no server can be faster than), servers in Python, npm's oidc-provider.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
import psutil

from benchmarks import contestants as take_part
from benchmarks import databases
from benchmarks.contestants import FOLDER, REFRESHING, TUNED, Asked, LeftOutError, Play
from benchmarks.databases import SQLALCHEMY, Databases, postgres, valkey
from benchmarks.over_http import CONNECTIONS, SERVER_CORE, Round, jotgate, player, sessions_of, take_turns
from benchmarks.plot import Bar, Kind, bars
from benchmarks.report import Goal, Row, at_least, at_most, versions_of
from benchmarks.server_logins import logins
from benchmarks.two_nodes import two_nodes

OURS, RAW, OIDC = "jotgate", "raw ASGI handler", "oidc-provider"
SQLITE, POSTGRES = "SQLite", "PostgreSQL"
TASK = "refresh over HTTP, one core"
A_SECOND = {SQLITE: 3000, POSTGRES: 2000}
TIMES_PYTHON, TIMES_OIDC, TIMES_RAW_CPU = 10, 2.5, 2
OIDC_ON = {SQLITE: "in memory", POSTGRES: "Valkey"}  # beside what: an embedded store, one over the network
STACK = (
    "jotgate", "asyncpg", "cryptography", "uvicorn", "Authlib", "Django", "djangorestframework-simplejwt",
    "fastapi-users", "Flask", "Flask-JWT-Extended", "gunicorn", "psycopg", "SQLAlchemy",
)  # fmt: skip

Who = tuple[str, str]  # the server, and what it stands on
Rounds = Mapping[Who, Sequence[Round]]


def measure(*, quick: bool) -> list[Row]:
    """All rows of this part."""
    seconds, rounds = (1.0, 3) if quick else (2.0, 7)
    with postgres() as on_postgres, valkey() as redis_url:
        rows = _refreshes(on_postgres, redis_url, seconds=seconds, rounds=rounds)
        rows += two_nodes(on_postgres, seconds=seconds, rounds=rounds)
        rows += logins(on_postgres, seconds=seconds, rounds=max(3, rounds // 2))
    return rows


def versions() -> dict[str, str]:
    """Of all that took part."""
    found = versions_of(STACK) | databases.versions()
    if shutil.which("node"):
        said = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
        wanted = msgspec.json.decode((FOLDER / "package.json").read_bytes())["dependencies"]
        found |= {"oidc-provider": wanted["oidc-provider"], "Node": said.stdout.strip().removeprefix("v")}
    return found


# --- who takes part


def _refreshes(on_postgres: Databases, redis_url: str, *, seconds: float, rounds: int) -> list[Row]:
    with ExitStack() as stack:
        players, left_out = _players(stack, on_postgres, redis_url)
        named = {" on ".join(who): who for who in players}
        seen = take_turns({name: players[who] for name, who in named.items()}, rounds=rounds, seconds=seconds)
    return rows_of({named[name]: turns for name, turns in seen.items()}, left_out)


def _players(stack: ExitStack, on_postgres: Databases, redis_url: str) -> tuple[dict[Who, Play], dict[Who, str]]:
    home = stack.enter_context(TemporaryDirectory())
    players: dict[Who, Play] = {
        (OURS, SQLITE): _jotgate(stack),
        (OURS, POSTGRES): _jotgate(stack, DATABASE_URL=on_postgres.fresh()),
        (RAW, SQLITE): stack.enter_context(take_part.raw("benchmarks.raw_app:app", RAW_DATABASE=f"{home}/raw.db")),
        (RAW, POSTGRES): stack.enter_context(
            take_part.raw("benchmarks.raw_postgres_app:app", RAW_DATABASE=":memory:", RAW_POSTGRES=on_postgres.fresh())
        ),
    }
    for peer in REFRESHING:
        for on, url in (
            (SQLITE, f"sqlite:///{home}/{peer.who}.db"),
            (POSTGRES, on_postgres.fresh(driver=SQLALCHEMY)),
        ):
            print(f"  starting {peer.who} on {on} ...", file=sys.stderr, flush=True)
            players[peer.who, on] = stack.enter_context(take_part.python_peer(peer, url))
    left_out: dict[Who, str] = {}
    for on, url_of in (("in memory", None), ("Valkey", redis_url)):
        try:
            players[OIDC, on] = stack.enter_context(take_part.oidc_provider(url_of))
        except LeftOutError as reason:
            left_out[OIDC, on] = str(reason)
    return players, left_out


def _jotgate(stack: ExitStack, **settings: str) -> Play:
    server = stack.enter_context(jotgate(SERVER_CORE, **settings))
    asked = Asked("/auth/refresh", '{"refresh_token":"TOKEN"}')
    return player(asked.job(server.port, sessions_of(server, CONNECTIONS)), psutil.Process(server.pid))


# --- what comes of it: pure


def rows_of(seen: Rounds, left_out: Mapping[Who, str]) -> list[Row]:
    """The table: by database, jotgate first, the fastest next."""
    goals = {who: goal for on in A_SECOND if (OURS, on) in seen for who, goal in goals_of(seen, on).items()}
    sections = list(A_SECOND)
    order = sorted(seen, key=lambda who: (sections.index(_section(who)), who[0] != OURS, -_rate(seen[who])))
    rows = [_row(who, seen, goal=goals.get(who)) for who in order]
    return rows + [
        Row(f"{TASK}, {_section((server, on))}", f"{server}, {on}", note=reason)
        for (server, on), reason in left_out.items()
    ]


def goals_of(seen: Rounds, on: str) -> dict[Who, Goal]:
    """What we set out to reach on a database; each goal stands in the row of what it is measured by."""
    ours = seen[OURS, on]
    rate, limit = _rate(ours), A_SECOND[on]
    goals = {(OURS, on): at_least("at least {limit:,} a second ({value:,.0f})", rate, limit)}
    if raw := seen.get((RAW, on)):
        text = f"{OURS} takes at most {{limit}} times its CPU ({{value:.2f}})"
        goals[RAW, on] = at_most(text, _ratio(ours, raw, "cpu"), TIMES_RAW_CPU)
    python = [who for who in seen if who[1] == on and who[0] not in {OURS, RAW, OIDC} and not who[0].endswith(TUNED)]
    text = f"{OURS} at least {{limit}} times as fast ({{value:.1f}})"
    if python:
        best = max(python, key=lambda who: _rate(seen[who]))
        goals[best] = at_least(text, _ratio(ours, seen[best], "rate"), TIMES_PYTHON)
    if oidc := seen.get((OIDC, OIDC_ON[on])):
        goals[OIDC, OIDC_ON[on]] = at_least(text, _ratio(ours, oidc, "rate"), TIMES_OIDC)
    return goals


def _row(who: Who, seen: Rounds, *, goal: Goal | None) -> Row:
    server, on = who
    turns = seen[who]
    ours = seen.get((OURS, _section(who)))
    ratio = f"{OURS} {_times(_ratio(ours, turns, 'rate'))} as fast, " if ours and server != OURS else ""
    kept = f"p50 {_milliseconds(turns, 'p50')}, p99 {_milliseconds(turns, 'p99')}"
    rate = _rate(turns)
    name = f"{server}, {on}" if server == OIDC else server
    return Row(f"{TASK}, {_section(who)}", name, _median(turns, "cpu"), None, rate, ratio + kept, goal)


def _section(who: Who) -> str:
    """The database under whose rows it stands."""
    return next((ours for ours, on in OIDC_ON.items() if on == who[1]), who[1])


def _ratio(ours: Sequence[Round], theirs: Sequence[Round], name: str) -> float:
    """Of neighbouring rounds."""
    return float(median(getattr(one, name) / getattr(other, name) for one, other in zip(ours, theirs, strict=True)))


def _times(value: float) -> str:
    return f"{value:.0f} times" if value >= 10 else f"{value:.2g} times"


def _rate(turns: Sequence[Round]) -> float:
    return _median(turns, "rate")


def _median(turns: Sequence[Round], name: str) -> float:
    return float(median(getattr(turn, name) for turn in turns))


def _milliseconds(turns: Sequence[Round], name: str) -> str:
    return f"{_median(turns, name) * 1000:.1f} ms"


def pictures(rows: Sequence[Row]) -> dict[str, str]:
    """The plot in the documentation, by file name."""
    kinds: dict[str, Kind] = {OURS: "ours", RAW: "limit"}
    shown = [
        Bar(row.task.rpartition(", ")[2], row.who, row.rate, kinds.get(row.who, "peer"))
        for row in rows
        if row.task.startswith(TASK) and row.rate
    ]
    return {"benchmarks.svg": bars("Refreshes a second and core", shown)} if shown else {}
