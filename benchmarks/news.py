"""Keys and news: how soon twenty guards hear of the end of a session, and what a flood of unknown keys costs.

The million entries of a long feed are measured in `million`.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread

from benchmarks import million
from benchmarks.measure import Batch, Sample, Timed, interleave, interleave_batches
from benchmarks.report import Row, at_most
from jotgate import Guard
from jotgate.errors import UnknownKey
from jotgate.guard.keycache import COOLDOWN_SECONDS
from jotgate.jose import b64, new_key, strictjson
from tests.guard.standin import StandIn, issuing
from tests.live.endings import ENDINGS, ROOT, ROOT_PASSWORD, acknowledged, administrator
from tests.live.fleet import fleet
from tests.live.people import settle
from tests.live.process import serving
from tests.servers.nats import running_nats

GUARDS, ROUNDS, QUICK_ROUNDS = 20, 200, 24
REACH_SECONDS, SLOWER = 1.0, 0.10
SETTLED_SECONDS = 3.0  # until all guards listen, and nothing that they asked before waits
FLOOD_A_SECOND, FLOOD_SECONDS, QUICK_FLOOD_SECONDS = 10_000, 35.0, 4.0
FORGED, OTHER_NAMES = 64, 4096  # tokens under as many keys that nobody knows
TURN_SECONDS = 0.1
FLOOD = "a flood of unknown keys"
TOGETHER = 50  # good tokens, and forged ones, in turn: what a flood brings in 5 ms


def measure(*, quick: bool) -> list[Row]:
    """All rows of this part."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with running_nats() as nats:
        reach = [*_reach(rounds), *_reach(rounds, nats=nats.url)]
    return [*reach, *_flood(quick=quick), *million.measure(quick=quick)]


# --- from an acknowledged request to the last acceptance


def _reach(rounds: int, *, nats: str | None = None) -> list[Row]:
    """Over HTTP, or over NATS alone as long as nothing is missed."""
    settings = {} if nats is None else {"NATS_URL": nats}
    options = {} if nats is None else {"feed": nats, "max_staleness": 2}
    worst: list[float] = []
    each: list[float] = []
    kinds = itertools.cycle(ENDINGS.values())
    with (
        TemporaryDirectory() as home,
        serving(Path(home), wrap=(), ADMIN_EMAIL=ROOT, ADMIN_PASSWORD=ROOT_PASSWORD, **settings) as server,
        server.api() as api,
        fleet(server.url, GUARDS, **options) as guards,
    ):
        server.cli("role", "set", "manager", "members:read")
        admin = administrator(api)
        guards.ask(admin)
        time.sleep(SETTLED_SECONDS)
        for email, ending in zip(settle(server, [f"user-{number}" for number in range(rounds)]), kinds, strict=False):
            token, request = ending.begin(api, email, admin)
            guards.watch(token)
            done_at = acknowledged(request)
            waits = [max(0.0, refusal.last_taken_at - done_at) for refusal in guards.refusals()]
            worst.append(max(waits))
            each += waits
    way = "over HTTP" if nats is None else "over NATS"
    task = f"the end of a session {way}, {GUARDS} guards apart, {rounds} rounds"
    goal = at_most("p99 at most {limit:.0f} s ({value:.3f})", _percentile(worst, 99), REACH_SECONDS)
    return [
        Row(task, "any guard, p50", wall=_percentile(each, 50)),
        Row(task, "any guard, p99", wall=_percentile(each, 99)),
        Row(task, "the last guard, p50", wall=_percentile(worst, 50)),
        Row(task, "the last guard, p99", wall=_percentile(worst, 99), note=f"at most {max(worst):.3f} s", goal=goal),
    ]


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


# --- a flood of tokens under unknown keys


def _flood(*, quick: bool) -> list[Row]:
    with issuing(StandIn()) as issuer:
        guard = Guard(issuer.url)
        good = issuer.token()
        forged = itertools.cycle([issuer.token(new_key("ES256", f"f{number}")) for number in range(FORGED)]).__next__
        begun_at = time.monotonic()
        guard.verify(good)
        try:
            time.sleep(2.1)  # the first news are not waited for any more
            other = itertools.cycle(_under_other_names(good, OTHER_NAMES)).__next__
            unknown = interleave(
                {"few": lambda: _refused(guard, forged()), "all others": lambda: _refused(guard, other())},
                rounds=25 if quick else 101,
            )
            turns = _taking_turns(guard, good, forged, rounds=101 if quick else 401)
            beside = _beside(guard, good, forged, seconds=QUICK_FLOOD_SECONDS if quick else FLOOD_SECONDS)
            fetches, seconds = issuer.keys_asked, time.monotonic() - begun_at
        finally:
            guard.close()
    return [*_flood_rows(unknown, turns, beside), _fetches_row(fetches, seconds)]


def _flood_rows(unknown: dict[str, Sample], turns: dict[str, Sample], beside: tuple[float, float, float]) -> list[Row]:
    task = FLOOD
    alone, between = turns["alone"], turns["between"]
    rate, fewer, flood = beside
    text = "at most {limit:.0%} slower ({value:.1%})"
    return [
        *(
            Row(
                task,
                who,
                sample.cpu,
                sample.wall,
                note=f"{FLOOD_A_SECOND:,} of them take {FLOOD_A_SECOND * sample.cpu:.1%} of a second",
            )
            for who, sample in zip((f"one of {FORGED} keys", "each of another key"), unknown.values(), strict=True)
        ),
        Row(task, "good token, no flood", alone.cpu, alone.wall),
        Row(
            task,
            "good token, as many forged",
            between.cpu,
            between.wall,
            goal=at_most(text, between.cpu / alone.cpu - 1, SLOWER),
        ),
        Row(task, "good tokens, no flood", rate=rate),
        Row(
            task,
            "good tokens beside a flood",
            rate=rate * (1 - fewer),
            note=f"{flood:,.0f} forged a second in another thread",
            goal=at_most(text, fewer, SLOWER),
        ),
    ]


def _fetches_row(fetches: int, seconds: float) -> Row:
    """The first one of all, and one every 30 s."""
    text = f"at most {{limit:.0f}} in {seconds:.0f} s ({{value:.0f}})"
    return Row(FLOOD, "fetches of the key set", goal=at_most(text, fetches, 1 + seconds // COOLDOWN_SECONDS))


def _under_other_names(token: str, names: int) -> list[str]:
    """The token under as many other keys."""
    _, _, signed = token.partition(".")
    return [
        f"{b64.encode(strictjson.dumps({'alg': 'ES256', 'kid': f'k{name}', 'typ': 'at+jwt'}))}.{signed}"
        for name in range(10, 10 + names)
    ]


def _refused(guard: Guard, token: str) -> None:
    try:
        guard.verify(token)
    except UnknownKey:
        return
    raise AssertionError("it was taken")


def _taking_turns(guard: Guard, good: str, forged: Callable[[], str], *, rounds: int) -> dict[str, Sample]:
    """A good token's check, timed alone; in between, with the clock stopped, nothing or as many forged ones."""

    def batch(between: Callable[[], object]) -> Batch:
        def run(times: int) -> Timed:
            cpu = wall = 0.0
            for _ in range(max(1, times // TOGETHER)):
                between()
                wall_at, cpu_at = time.perf_counter(), time.process_time()
                for _ in range(TOGETHER):
                    guard.verify(good)
                cpu += time.process_time() - cpu_at
                wall += time.perf_counter() - wall_at
            scale = times / (max(1, times // TOGETHER) * TOGETHER)
            return Timed(cpu * scale, wall * scale)

        return run

    def flood() -> None:
        for _ in range(TOGETHER):
            _refused(guard, forged())

    return interleave_batches({"alone": batch(lambda: None), "between": batch(flood)}, rounds=rounds)


def _beside(guard: Guard, good: str, forged: Callable[[], str], *, seconds: float) -> tuple[float, float, float]:
    """Good tokens a second, the share that a flood in another thread takes of them, and how many forged came.

    Turns are short and compared in pairs, so that a noisy neighbour hits both of a pair.
    """
    flooding, over, sent = Event(), Event(), itertools.count()

    def flood() -> None:
        while not over.is_set():
            flooding.wait(1)
            begun_at, done = time.perf_counter(), 0
            while flooding.is_set():
                for _ in range(int((time.perf_counter() - begun_at) * FLOOD_A_SECOND) - done):
                    _refused(guard, forged())
                    next(sent)
                    done += 1
                time.sleep(0.002)

    thread = Thread(target=flood, daemon=True)
    thread.start()
    pairs: list[tuple[float, float]] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        flooding.clear()
        time.sleep(0.005)
        without = _rate(guard, good)
        flooding.set()
        pairs.append((without, _rate(guard, good)))
    flooding.clear()
    over.set()
    thread.join()
    slower = median(1 - beside / without for without, beside in pairs)
    return median(without for without, _ in pairs), slower, next(sent) / (len(pairs) * TURN_SECONDS)


def _rate(guard: Guard, token: str) -> float:
    """Good tokens a second, over a turn."""
    begun_at, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun_at) < TURN_SECONDS:
        for _ in range(100):
            guard.verify(token)
        count += 100
    return count / took
