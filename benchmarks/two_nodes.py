"""What a second node adds: two nodes on two cores and one database, beside one node, by the CPU time of a refresh.

Load, database and nodes share the cores of the machine, so the rate says little. What the cores of nodes can do a
second is one over the CPU time that a node takes for a refresh, added up over the nodes while all of them are at work
on the same database; the database's own time is apart from the count. One node is each of the two alone on its core:
the cores are not alike, since load and database have the second one.

What is called two cores may be less, such as two threads of one core of the machine below: the same is measured of bare
arithmetic, in the same rounds.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import fmean, harmonic_mean, median
from tempfile import TemporaryDirectory

import psutil

from benchmarks import pinned
from benchmarks.contestants import Asked, Play
from benchmarks.databases import Databases
from benchmarks.over_http import CONNECTIONS, Round, bare, player, sessions_of, take_turns
from benchmarks.report import Goal, Row, at_least
from tests.live.nodes import nodes_of
from tests.live.process import Server

TASK = "refresh over HTTP, nodes on one PostgreSQL"
ONE, TWO, BARE = "one node", "two nodes on two cores", "bare arithmetic on both"
AS_ONE = 1.7


def two_nodes(databases: Databases, *, seconds: float, rounds: int) -> list[Row]:
    """A row for one node, a row for two."""
    with ExitStack() as stack:
        first, second = _players(stack, databases)
        contestants = {"first": first, "second": second, "both": together([first, second])}
        cores = [bare(str(core), "benchmarks.busy") for core in range(2)]
        limit = {"bare first": cores[0], "bare second": cores[1], "bare both": together(cores)}
        seen = take_turns(contestants | limit, rounds=rounds, seconds=seconds)
    alone = [merged(pair) for pair in zip(seen["first"], seen["second"], strict=True)]
    one_bare = [merged(pair) for pair in zip(seen["bare first"], seen["bare second"], strict=True)]
    return [*rows_of(alone, seen["both"]), bare_row(one_bare, seen["bare both"])]


def _players(stack: ExitStack, databases: Databases) -> list[Play]:
    """One for each of two nodes on one database."""
    home = Path(stack.enter_context(TemporaryDirectory()))
    nodes = nodes_of(home, 2, database=databases.fresh())
    for core, node in enumerate(nodes):
        node.wrap = (sys.executable, pinned.__file__, str(core))
        stack.callback(node.stop)
        node.start()
    tokens = iter(sessions_of(nodes[0], CONNECTIONS * len(nodes)))
    return [_player(node, list(islice(tokens, CONNECTIONS))) for node in nodes]


def _player(node: Server, tokens: list[str]) -> Play:
    asked = Asked("/auth/refresh", '{"refresh_token":"TOKEN"}')
    return player(asked.job(node.port, tokens), psutil.Process(node.pid))


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


def rows_of(one: Sequence[Round], two: Sequence[Round]) -> list[Row]:
    """What two can do beside one, round by round."""
    text = "two can do at least {limit} times what one can ({value:.2f})"
    goal = at_least(text, _capacity(one, two), AS_ONE)
    return [_row(ONE, one, cores=1), _row(TWO, two, cores=2, goal=goal)]


def bare_row(one: Sequence[Round], two: Sequence[Round]) -> Row:
    """What the two cores could do at most."""
    return Row(TASK, BARE, note=f"{_capacity(one, two):.2f} times what one core does alone: the machine's own limit")


def _capacity(one: Sequence[Round], two: Sequence[Round]) -> float:
    return median(2 * single.cpu / pair.cpu for single, pair in zip(one, two, strict=True))


def _row(who: str, turns: Sequence[Round], *, cores: int, goal: Goal | None = None) -> Row:
    cpu = median(turn.cpu for turn in turns)
    note = (
        f"{cores / cpu:,.0f} a second by CPU time; {median(turn.rate for turn in turns):,.0f} beside load and database"
    )
    return Row(TASK, who, cpu, rate=cores / cpu, note=note, goal=goal)
