"""`python -m torture [--minutes N] [--seed S] [--quick] [--world W] [--json] [--keep FILE]`: break things, and count.

The exit code is 1 when a counter is not 0. `--check FILE` counts once more in what an earlier run kept.
"""

import argparse
import asyncio
import random
import sys
from pathlib import Path

from torture.history import read, write
from torture.report import Report, document, report, table
from torture.run import BRIEF, WORLDS, Outcome, Pace, run


def main() -> int:
    """Torture, count, print."""
    options = _options()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    outcomes = _checked_again(options.check) if options.check else _run(options, seed)
    if options.keep:
        write((outcome.history for outcome in outcomes), options.keep)
    reports = [report(outcome) for outcome in outcomes]
    print(document(reports, seed=seed) if options.json else table(reports, seed=seed))
    return int(not _sound(reports))


def _run(options: argparse.Namespace, seed: int) -> list[Outcome]:
    print(f"seed {seed}", file=sys.stderr, flush=True)
    pace = BRIEF if options.quick else _pace(options)
    worlds = options.world or list(WORLDS)
    return asyncio.run(run(pace, seed=seed, worlds=worlds, say=lambda line: print(line, file=sys.stderr, flush=True)))


def _pace(options: argparse.Namespace) -> Pace:
    least = options.faults if options.faults is not None else round(10 * options.minutes)
    return Pace(seconds=options.minutes * 60, faults=least)


def _checked_again(path: Path) -> list[Outcome]:
    return [Outcome(history, (), {}) for history in read(path)]


def _sound(reports: list[Report]) -> bool:
    return all(one.sound for one in reports)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of faults (10)")
    parser.add_argument("--faults", type=int, help="at least; it goes on until there were so many (10 a minute)")
    parser.add_argument("--seed", type=int, help="of the choice of faults; one is made up and printed")
    parser.add_argument("--quick", action="store_true", help="every kind of fault once, briefly")
    parser.add_argument("--world", action="append", choices=[*WORLDS], help="this one alone; all by default")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the record")
    parser.add_argument("--check", type=Path, metavar="FILE", help="count in a record that was kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
