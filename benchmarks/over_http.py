"""Refreshes and logins a second over HTTP: one server process pinned to core 0, the load generator on core 1.

Beside the refreshes a raw ASGI handler (`raw_app`), beside the logins bare Argon2id (`raw_argon2`); all take turns in
short rounds of the same run, each figure is the median of its rounds. CPU time is what the system says of the process.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile

import msgspec
import psutil

from benchmarks.load import Job, Result
from benchmarks.pinned import pinned
from benchmarks.report import Goal, Row, at_least, at_most
from tests.live.process import Server, free_port, serving

SERVER_CORE, LOAD_CORE, BOTH = "0", "1", "0,1"
CONNECTIONS = 32
CLIENTS = 8  # that log in at once, for each thread of the hashing pool: nearly as many as it lets wait
REFRESHES_A_SECOND, TIMES_RAW, SHARE_OF_ARGON2 = 3000, 2.0, 0.95
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Round:
    """One contestant's turn."""

    rate: float  # a second
    cpu: float  # seconds of the server for one
    p50: float
    p99: float
    generator: float  # share of its core that the generator used


def measure(*, quick: bool) -> list[Row]:
    """All rows of this part."""
    seconds, rounds = (1.0, 3) if quick else (3.0, 7)
    rows = _refreshes(seconds, rounds)
    rounds += rounds // 2  # memory-hard hashing drifts with the machine's memory
    rows += _logins("login, server on one core", SERVER_CORE, seconds=seconds, rounds=rounds)
    if len(os.sched_getaffinity(0)) > 1:
        rows += _logins("login, server on two cores", BOTH, seconds=seconds, rounds=rounds)
    return rows


# --- refreshes


def _refreshes(seconds: float, rounds: int) -> list[Row]:
    with ExitStack() as stack:
        contestants = {
            f"jotgate, {alg}": stack.enter_context(_jotgate_refreshing(alg)) for alg in ("ES256", "EdDSA")
        } | {f"raw handler, {alg}": stack.enter_context(_raw_refreshing(alg)) for alg in ("ES256", "EdDSA")}
        seen = take_turns(contestants, rounds=rounds, seconds=seconds)
    ours, raw = seen["jotgate, ES256"], seen["raw handler, ES256"]
    rate = median(turn.rate for turn in ours)
    times = _paired(ours, raw, "cpu")
    goals = {
        "jotgate, ES256": at_least("at least {limit:,} a second ({value:,.0f})", rate, REFRESHES_A_SECOND),
        "raw handler, ES256": at_most("jotgate: at most {limit:g} times the CPU ({value:.2f})", times, TIMES_RAW),
    }
    return [_refresh_row(who, turns, raw=raw, goal=goals.get(who)) for who, turns in seen.items()]


def _refresh_row(who: str, turns: list[Round], *, raw: list[Round], goal: Goal | None) -> Row:
    rate = median(turn.rate for turn in turns)
    note = f"{_paired(turns, raw, 'cpu'):.2f} x the CPU of raw ES256; p50 {_ms(turns, 'p50')}, p99 {_ms(turns, 'p99')}"
    cpu = median(turn.cpu for turn in turns)
    return Row("refresh over HTTP, one core", who, cpu, 1 / rate, rate, f"{note}; {_generator(turns)}", goal)


def _paired(ones: list[Round], others: list[Round], name: str) -> float:
    """How many times as much, by the median of neighbouring rounds: the machine's pace drifts."""
    return median(
        float(getattr(one, name)) / float(getattr(other, name)) for one, other in zip(ones, others, strict=True)
    )


@contextmanager
def _jotgate_refreshing(alg: str) -> Iterator[Callable[[float], Round]]:
    with jotgate(SERVER_CORE, ALGORITHM=alg) as server:
        bodies = [json.dumps({"refresh_token": token}) for token in sessions_of(server, CONNECTIONS)]
        job = Job(server.port, "/auth/refresh", bodies, networks(CONNECTIONS), seconds=1, refreshing=True)
        yield player(job, _served_by(server))


def _served_by(server: Server) -> psutil.Process:
    return psutil.Process(server.pid)  # the pinning wrapper has become the server


@contextmanager
def _raw_refreshing(alg: str) -> Iterator[Callable[[float], Round]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.raw_app:app", "--port", str(port), "--no-access-log"]
    with TemporaryDirectory() as home:
        environment = os.environ | {"RAW_DATABASE": f"{home}/raw.db", "RAW_ALGORITHM": alg}
        process = subprocess.Popen(pinned(SERVER_CORE, *command, "--log-level", "error"), env=environment)
        try:
            bodies = [json.dumps({"refresh_token": f"{at:032x}.0.{bytes(16).hex()}"}) for at in range(CONNECTIONS)]
            job = Job(port, "/auth/refresh", bodies, networks(CONNECTIONS), seconds=1, refreshing=True)
            wait_for(port)
            yield player(job, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait()


# --- logins


def _logins(task: str, cores: str, *, seconds: float, rounds: int) -> list[Row]:
    """More clients than hashing has threads, so that no thread waits for work."""
    threads = len(cores.split(","))
    with jotgate(cores) as server:
        emails = [_register(server, at) for at in range(CLIENTS * threads)]
        bodies = [json.dumps({"email": email, "password": PASSWORD}) for email in emails]
        job = Job(server.port, "/auth/login", bodies, networks(len(bodies)), seconds=1)
        contestants = {"jotgate": player(job, _served_by(server)), "Argon2id alone": _argon2_player(cores, threads)}
        seen = take_turns(contestants, rounds=rounds, seconds=seconds)
    share = _paired(seen["jotgate"], seen["Argon2id alone"], "rate")
    goal = at_least("at least {limit:.0%} of Argon2id ({value:.1%})", share, SHARE_OF_ARGON2)
    raw = median(turn.cpu for turn in seen["Argon2id alone"])
    return [
        _login_row(task, who, turns, raw=raw, goal=goal if who == "jotgate" else None) for who, turns in seen.items()
    ]


def _login_row(task: str, who: str, turns: list[Round], *, raw: float, goal: Goal | None) -> Row:
    rate, cpu = (median(getattr(turn, name) for turn in turns) for name in ("rate", "cpu"))
    note = f"{raw / cpu:.1%} by CPU time; p50 {_ms(turns, 'p50')}, p99 {_ms(turns, 'p99')}"
    ours = who == "jotgate"
    return Row(task, who, cpu, 1 / rate, rate, note if ours else "PyNaCl, the same parameters and threads", goal)


def _argon2_player(cores: str, threads: int) -> Callable[[float], Round]:
    return bare(cores, "benchmarks.raw_argon2", str(threads))


# --- what both need


@contextmanager
def jotgate(cores: str, **settings: str) -> Iterator[Server]:
    with (
        TemporaryDirectory() as home,
        serving(
            Path(home),
            wrap=(sys.executable, str(Path(__file__).with_name("pinned.py")), cores),
            TRUSTED_PROXIES="127.0.0.1",
            **settings,
        ) as server,
    ):
        yield server


def sessions_of(server: Server, count: int) -> list[str]:
    email = _register(server, 0)
    with server.api() as api:
        return [api.login(email, PASSWORD)["refresh_token"] for _ in range(count)]


def _register(server: Server, number: int) -> str:
    email = f"bench-{number}@example.com"
    with server.api() as api:
        api.register(email, PASSWORD)
    return email


def networks(count: int) -> list[str]:
    return [f"10.1.{at}.1" for at in range(count)]


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"nobody listens on port {port}")


def take_turns(
    contestants: Mapping[str, Callable[[float], Round]], *, rounds: int, seconds: float, warm: float = 0.5
) -> dict[str, list[Round]]:
    seen: dict[str, list[Round]] = {who: [] for who in contestants}
    for play in contestants.values():
        play(warm)
    for turn in range(rounds):
        for who in sorted(contestants, reverse=bool(turn % 2)):
            seen[who].append(contestants[who](seconds))
    return seen


def player(job: Job, process: psutil.Process, *, cores: str = LOAD_CORE) -> Callable[[float], Round]:
    """Plays the job for some seconds from these cores, goes on where it was the next time."""

    def play(seconds: float) -> Round:
        job.seconds = seconds
        turn, result = play_once(job, lambda: cpu_of(process), cores=cores)
        job.bodies, job.tokens = result.bodies, result.tokens if job.tokens else []
        return turn

    return play


def bare(cores: str, module: str, *arguments: str) -> Callable[[float], Round]:
    """Plays a program that prints how often a second it did its work, and the CPU seconds of once."""

    def play(seconds: float) -> Round:
        command = pinned(cores, sys.executable, "-m", module, *arguments, str(seconds))
        rate, cpu = map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
        return Round(rate, cpu, 0, 0, 0)

    return play


def play_once(job: Job, used: Callable[[], float], *, cores: str = LOAD_CORE) -> tuple[Round, Result]:
    """One turn; `used` tells the CPU time that the server has used so far."""
    before = used()
    result = _generate(job, cores)
    spent = used() - before
    answered = result.statuses.get(200, 0)
    if set(result.statuses) != {200}:
        raise RuntimeError(f"{job.path} answered {result.statuses}")
    ordered = sorted(result.latencies)
    turn = Round(
        result.rate,
        spent / answered,
        p50=ordered[len(ordered) // 2],
        p99=ordered[len(ordered) * 99 // 100],
        generator=result.cpu / result.seconds,
    )
    return turn, result


def _generate(job: Job, cores: str) -> Result:
    command = pinned(cores, sys.executable, "-m", "benchmarks.load")
    with TemporaryFile() as told:  # a pipe has lost the end of it, with two at once
        subprocess.run(command, input=msgspec.json.encode(job), stdout=told, check=True, timeout=120)
        told.seek(0)
        return msgspec.json.decode(told.read(), type=Result)


def cpu_of(process: psutil.Process) -> float:
    """Of the process and all that it has started."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


def _ms(turns: list[Round], name: str) -> str:
    return f"{median(getattr(turn, name) for turn in turns) * 1000:.1f} ms"


def _generator(turns: list[Round]) -> str:
    return f"generator {median(turn.generator for turn in turns):.0%} busy"
