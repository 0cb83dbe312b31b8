"""What a second node adds: two nodes on two cores and one database, beside one node, by the CPU time of a refresh.

What the cores of nodes can do a second is one over the CPU time that a node takes for a refresh, added up over the
nodes while all of them are at work on the same database; the database's own time is apart from the count.

There are no more cores than nodes, so load and database have to be on them too. One node therefore has these with it on
its core, as each of two has: what differs is the other node. One node whose load and database are on the other core
stands beside, and what two do beside that one: more of it is how crowded a core is than what nodes cost each other.

What is called two cores may be less, such as two threads of one core of the machine below: the same is measured of bare
arithmetic, in the same rounds.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import fmean, harmonic_mean, median
from tempfile import TemporaryDirectory

import psutil

from benchmarks import pinned
from benchmarks.contestants import Asked, Play
from benchmarks.databases import Databases, pin
from benchmarks.over_http import BOTH, CONNECTIONS, LOAD_CORE, Round, bare, player, sessions_of, take_turns
from benchmarks.report import Goal, Row, at_least
from tests.live.nodes import nodes_of
from tests.live.process import Server

TASK = "refresh over HTTP, nodes on one PostgreSQL"
ONE, TWO = "one node, load and database on one core", "two nodes, load and database on two cores"
ALONE, BARE = "one node, load and database on the other core", "bare arithmetic on both cores"
CORES = ("0", "1")
AS_ONE = 1.7


def two_nodes(databases: Databases, *, seconds: float, rounds: int) -> list[Row]:
    """Rows for one node, for two, and for one whose core is its own."""
    with ExitStack() as stack:
        nodes = _nodes(stack, databases)
        tokens = sessions_of(nodes[0], 3 * CONNECTIONS)
        hands = [tokens[start : start + CONNECTIONS] for start in range(0, len(tokens), CONNECTIONS)]
        crowded = [_player(node, hand, core) for node, hand, core in zip(nodes, hands[:2], CORES, strict=True)]
        at_home = [_beside(databases, core, play) for core, play in zip(CORES, crowded, strict=True)]
        contestants = {
            "first": at_home[0],
            "second": at_home[1],
            "both": _beside(databases, BOTH, together(crowded)),
            "alone": _beside(databases, LOAD_CORE, _player(nodes[0], hands[2], LOAD_CORE)),
        }
        cores = [bare(core, "benchmarks.busy") for core in CORES]
        limit = {"bare first": cores[0], "bare second": cores[1], "bare both": together(cores)}
        seen = take_turns(contestants | limit, rounds=rounds, seconds=seconds)
        pin(databases.pid, LOAD_CORE)
    one = [merged(pair) for pair in zip(seen["first"], seen["second"], strict=True)]
    one_bare = [merged(pair) for pair in zip(seen["bare first"], seen["bare second"], strict=True)]
    return [*rows_of(one, seen["both"], seen["alone"]), bare_row(one_bare, seen["bare both"])]


def _nodes(stack: ExitStack, databases: Databases) -> tuple[Server, ...]:
    """Two on one database, each on its core."""
    home = Path(stack.enter_context(TemporaryDirectory()))
    nodes = nodes_of(home, len(CORES), database=databases.fresh())
    for core, node in zip(CORES, nodes, strict=True):
        node.wrap = (sys.executable, pinned.__file__, core)
        stack.callback(node.stop)
        node.start()
    return nodes


def _player(node: Server, tokens: list[str], cores: str) -> Play:
    """Asks from these cores."""
    asked = Asked("/auth/refresh", '{"refresh_token":"TOKEN"}')
    return player(asked.job(node.port, tokens), psutil.Process(node.pid), cores=cores)


def _beside(databases: Databases, cores: str, play: Play) -> Play:
    """Plays while the database is on these cores."""

    def turn(seconds: float) -> Round:
        pin(databases.pid, cores)
        return play(seconds)

    return turn


def together(players: Sequence[Play]) -> Play:
    """Plays all at the same time; the rate is that of all."""

    def play(seconds: float) -> Round:
        with ThreadPoolExecutor(len(players)) as threads:
            turns = list(threads.map(lambda one: one(seconds), players))
        return replace(merged(turns), rate=sum(turn.rate for turn in turns))

    return play


def merged(turns: Sequence[Round]) -> Round:
    """The mean node; its CPU time is such that so many of them can do together what all of these can."""
    return Round(
        fmean(turn.rate for turn in turns),
        harmonic_mean([turn.cpu for turn in turns]),
        p50=median(turn.p50 for turn in turns),
        p99=max(turn.p99 for turn in turns),
        generator=sum(turn.generator for turn in turns),
    )


def rows_of(one: Sequence[Round], two: Sequence[Round], alone: Sequence[Round]) -> list[Row]:
    """What two can do beside one, round by round."""
    text = "two can do at least {limit} times what one can ({value:.2f})"
    goal = at_least(text, _capacity(one, two), AS_ONE)
    beside_it = f"; two can do {_capacity(alone, two):.2f} times that"
    return [_row(ONE, one, cores=1), _row(TWO, two, cores=2, goal=goal), _row(ALONE, alone, cores=1, more=beside_it)]


def bare_row(one: Sequence[Round], two: Sequence[Round]) -> Row:
    """What the two cores could do at most."""
    return Row(TASK, BARE, note=f"{_capacity(one, two):.2f} times what one core does alone: the machine's own limit")


def _capacity(one: Sequence[Round], two: Sequence[Round]) -> float:
    return median(2 * single.cpu / pair.cpu for single, pair in zip(one, two, strict=True))


def _row(who: str, turns: Sequence[Round], *, cores: int, goal: Goal | None = None, more: str = "") -> Row:
    cpu = median(turn.cpu for turn in turns)
    note = f"{median(turn.rate for turn in turns):,.0f} answers a second beside load and database{more}"
    return Row(TASK, who, cpu, rate=cores / cpu, note=note, goal=goal)
