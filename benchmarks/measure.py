"""Timing contestants in small interleaved batches, so that a noisy neighbour hits all of them alike.

Each round runs every contestant once, in a rotated order, for a batch of a few milliseconds with the garbage collector
off; a contestant's figure is the median over the rounds, as CPU time (`process_time`) and as wall time.
"""

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import repeat
from statistics import median
from time import perf_counter, process_time

Call = Callable[[], object]
BATCH_SECONDS = 0.004
WARMING = 100  # operations


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds for one operation."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Timed:
    """One batch: seconds in all."""

    cpu: float
    wall: float


Batch = Callable[[int], Timed]


def batch_of(call: Call) -> Batch:
    """A batch that makes the same call n times."""

    def run(times: int) -> Timed:
        counter = repeat(None, times)
        wall, cpu = perf_counter(), process_time()
        for _ in counter:
            call()
        return Timed(process_time() - cpu, perf_counter() - wall)

    return run


def interleave(contestants: Mapping[str, Call], *, rounds: int) -> dict[str, Sample]:
    """Medians over the rounds, by contestant."""
    return interleave_batches({name: batch_of(call) for name, call in contestants.items()}, rounds=rounds)


def interleave_batches(contestants: Mapping[str, Batch], *, rounds: int) -> dict[str, Sample]:
    """The same for contestants that time their own batches."""
    sizes = {name: _batch_size(run) for name, run in contestants.items()}
    seen: dict[str, list[Timed]] = {name: [] for name in contestants}
    names = list(contestants)
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            start = turn % len(names)
            for name in names[start:] + names[:start]:
                seen[name].append(contestants[name](sizes[name]))
    finally:
        gc.enable()
    return {name: _median(batches, sizes[name]) for name, batches in seen.items()}


def _batch_size(run: Batch) -> int:
    """How many operations fill a batch, once what can be remembered is."""
    for _ in range(WARMING):
        run(1)
    times = 1
    while (took := run(times).wall) < BATCH_SECONDS / 4:
        times *= 4
    return max(1, round(times * BATCH_SECONDS / took))


def _median(batches: list[Timed], times: int) -> Sample:
    return Sample(median(one.cpu for one in batches) / times, median(one.wall for one in batches) / times)
