"""`python -m benchmarks [PART ...]`: measure, print a table, keep it as JSON; `--docs` puts it into the documents."""

import argparse
import importlib
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

from benchmarks.documents import publish
from benchmarks.report import Part, Run, document, read, run_of, table, versions_of, write

PARTS = {
    "tokens": "benchmarks.tokens",
    "guard": "benchmarks.guard_cost",
    "adapters": "benchmarks.adapters",
    "http": "benchmarks.over_http",
    "servers": "benchmarks.servers",
    "news": "benchmarks.news",
    "scale": "benchmarks.scale",
    "deployment": "benchmarks.deployment",
}
LONG = ("scale", "deployment")  # only when they are asked for


def main() -> int:
    """Run the parts that were asked for; all but the long ones by default. Gives how many failed."""
    options = _options()
    if options.of:
        run, failed, kept = read(options.of), 0, options.of
    else:
        run, failed = _measured(options.parts or [part for part in PARTS if part not in LONG], quick=options.quick)
        kept = write(run)
    print(document(run) if options.json else table(run.rows))
    if options.docs:
        publish(run, {name: _module(name) for name in run.parts})
    print(f"\n{_verdict(run)}; the same as JSON: {kept}", file=sys.stderr)
    return failed


def _measured(names: list[str], *, quick: bool) -> tuple[Run, int]:
    parts: dict[str, Part] = {}
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            module = _module(name)
            rows = module.measure(quick=quick)
            versions = getattr(module, "versions", versions_of)()
        except Exception:  # noqa: BLE001 - what the other parts measured is not lost
            traceback.print_exc()
        else:
            parts[name] = Part(rows, round(time.monotonic() - started, 1), versions)
    return run_of(parts, quick=quick), len(names) - len(parts)


def _module(part: str) -> ModuleType:
    return importlib.import_module(PARTS[part])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a glance, not a figure")
    parser.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument("--of", type=Path, metavar="JSON", help="measure nothing: take what an earlier run has kept")
    return parser.parse_args()


def _verdict(run: Run) -> str:
    goals = [row.goal for row in run.rows if row.goal]
    seconds = sum(part.took_seconds for part in run.parts.values())
    return f"{sum(goal.met for goal in goals)} of {len(goals)} goals met in {seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
