"""What is measured, as rows: printed as one table, written as JSON, each goal with met or not met."""

import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

STACK = ("jotgate", "cryptography", "PyJWT", "joserfc", "PyNaCl", "starlette", "fastapi", "uvicorn", "msgspec")
OUT = Path(__file__).parent / "out"


@dataclass(frozen=True, slots=True)
class Goal:
    """What we set out to reach, and whether this run did."""

    text: str
    met: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant at one task; times in seconds for one operation, None where there is none."""

    task: str
    who: str
    cpu: float | None = None
    wall: float | None = None
    rate: float | None = None  # operations a second
    note: str = ""
    goal: Goal | None = None


def at_most(text: str, value: float, limit: float) -> Goal:
    """A goal that is met from below; `text` may hold {value} and {limit}."""
    return Goal(text.format(value=value, limit=limit), met=value <= limit)


def at_least(text: str, value: float, limit: float) -> Goal:
    """A goal that is met from above."""
    return Goal(text.format(value=value, limit=limit), met=value >= limit)


HEAD = ("task", "who", "CPU us", "wall us", "a second", "beside", "goal")


def table(rows: Sequence[Row]) -> str:
    """All rows as text, columns as wide as they need to be."""
    cells = [HEAD, *_cells(rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(_line(line, widths) for line in (HEAD, rule, *cells[1:]))


def _cells(rows: Sequence[Row]) -> Iterable[tuple[str, ...]]:
    previous = ""
    for row in rows:
        task = "" if row.task == previous else row.task
        previous = row.task
        goal = f"{row.goal.text}: {'met' if row.goal.met else 'NOT MET'}" if row.goal else ""
        yield (task, row.who, _micro(row.cpu), _micro(row.wall), _rate(row), row.note, goal)


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    aligned = (
        cell.rjust(width) if column in {2, 3, 4} else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join(aligned).rstrip()


def _micro(seconds: float | None) -> str:
    if seconds is None:
        return ""
    micro = seconds * 1e6
    return f"{micro:.3f}" if micro < 1 else f"{micro:.2f}" if micro < 100 else f"{micro:,.0f}"


def _rate(row: Row) -> str:
    rate = row.rate if row.rate is not None else 1 / row.wall if row.wall else None
    if rate is None:
        return ""
    return f"{rate:,.1f}" if rate < 1000 else f"{rate:,.0f}"


def document(rows: Sequence[Row], *, seconds: float) -> str:
    """The same as JSON, with what it was measured on."""
    return json.dumps(
        {
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "took_seconds": round(seconds, 1),
            "machine": {
                "cpu": _cpu(),
                "cores": len(os.sched_getaffinity(0)),
                "system": platform.platform(),
                "load": os.getloadavg()[0],  # over the number of cores: others were at work too
            },
            "python": platform.python_version(),
            "versions": {name: _version(name) for name in STACK},
            "rows": [asdict(row) for row in rows],
        },
        indent=1,
    )


def write(text: str) -> Path:
    """Keep a run's JSON; the newest is also `latest.json`."""
    OUT.mkdir(exist_ok=True)
    path = OUT / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(text)
    (OUT / "latest.json").write_text(text)
    return path


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
