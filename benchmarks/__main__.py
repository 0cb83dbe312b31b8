"""`python -m benchmarks [PART ...] [--quick] [--json]`: measure, print a table, keep it as JSON."""

import argparse
import importlib
import sys
import time
import traceback

from benchmarks.report import Row, document, table, write

PARTS = {
    "tokens": "benchmarks.tokens",
    "guard": "benchmarks.guard_cost",
    "adapters": "benchmarks.adapters",
    "http": "benchmarks.over_http",
    "news": "benchmarks.news",
}


def main() -> int:
    """Run the parts that were asked for; all of them by default."""
    options = _options()
    rows: list[Row] = []
    failed = 0
    started = time.monotonic()
    for part in options.parts or list(PARTS):
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(PARTS[part]).measure(quick=options.quick)
        except Exception:  # noqa: BLE001 - what the other parts measured is not lost
            traceback.print_exc()
            failed += 1
    text = document(rows, seconds=time.monotonic() - started)
    path = write(text)
    print(text if options.json else table(rows))
    print(f"\n{_verdict(rows)}; {time.monotonic() - started:.0f} s; the same as JSON: {path}", file=sys.stderr)
    return failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a glance, not a figure")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    return parser.parse_args()


def _verdict(rows: list[Row]) -> str:
    goals = [row.goal for row in rows if row.goal]
    return f"{sum(goal.met for goal in goals)} of {len(goals)} goals met"


if __name__ == "__main__":
    sys.exit(main())
