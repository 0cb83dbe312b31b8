"""What is measured, as rows: printed as one table, written as JSON, each goal with met or not met."""

import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

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
        yield (task, row.who, micro(row.cpu), micro(row.wall), a_second(row), row.note, goal)


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    aligned = (
        cell.rjust(width) if column in {2, 3, 4} else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join(aligned).rstrip()


def micro(seconds: float | None) -> str:
    """Microseconds with three figures or so; nothing for None."""
    if seconds is None:
        return ""
    micro = seconds * 1e6
    return f"{micro:.3f}" if micro < 1 else f"{micro:.2f}" if micro < 100 else f"{micro:,.0f}"


def a_second(row: Row) -> str:
    """Operations a second, where they are known."""
    rate = row.rate if row.rate is not None else 1 / row.wall if row.wall else None
    if rate is None:
        return ""
    return f"{rate:,.1f}" if rate < 1000 else f"{rate:,.0f}"


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the benchmarks gave."""

    rows: list[Row]
    took_seconds: float = 0
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of some parts, and what it was measured on: the JSON in `out/`."""

    measured_at: str
    quick: bool
    machine: dict[str, str]
    parts: dict[str, Part]

    @property
    def rows(self) -> list[Row]:
        """Of all parts."""
        return [row for part in self.parts.values() for row in part.rows]


def run_of(parts: Mapping[str, Part], *, quick: bool) -> Run:
    """Measured just now, on this machine."""
    machine = {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.2f}",  # over the number of cores: others were at work too
    }
    return Run(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), quick, machine, dict(parts))


def document(run: Run) -> str:
    """As JSON."""
    return msgspec.json.format(msgspec.json.encode(run), indent=1).decode()


def write(run: Run) -> Path:
    """Keep a run's JSON; the newest is also `latest.json`."""
    OUT.mkdir(exist_ok=True)
    path = OUT / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    for kept in (path, OUT / "latest.json"):
        kept.write_text(document(run))
    return path


def read(path: Path) -> Run:
    """A run that was kept."""
    return msgspec.json.decode(path.read_bytes(), type=Run)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def versions_of(names: Iterable[str] = STACK) -> dict[str, str]:
    """Of the installed packages among them."""
    return {name: found for name in names if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
