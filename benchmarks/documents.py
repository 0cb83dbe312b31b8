"""What was measured, as Markdown between the markers of docs/benchmarks.md: a pair of them for each part.

    <!-- tokens: made by `python -m benchmarks tokens --docs` -->
    <!-- end of tokens -->

A part whose rows want another table than the usual one has a function `markdown(rows)`; one that draws has
`pictures(rows)`, which gives the file's name and the text of each picture.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks.report import Part, Row, Run, a_second, micro

DOCS = Path(__file__).parents[1] / "docs"
COLUMNS = ("", "who", "CPU us", "wall us", "a second", "beside it", "goal")


class NoPlaceError(Exception):
    """The document has no markers for a part."""


def publish(run: Run, modules: dict[str, ModuleType], *, docs: Path = DOCS) -> None:
    """Put what the run gave for each part where the document has its markers; raises `NoPlaceError`."""
    page = docs / "benchmarks.md"
    text = page.read_text("utf-8")
    for name, part in run.parts.items():
        text = put(text, name, f"{stamp(run, part)}\n\n{_body(part.rows, modules[name])}")
        for file, picture in getattr(modules[name], "pictures", _none)(part.rows).items():
            (docs / file).write_text(picture, "utf-8")
    page.write_text(text, "utf-8")


def _none(_rows: Sequence[Row]) -> dict[str, str]:
    return {}


def _body(rows: Sequence[Row], module: ModuleType) -> str:
    made: str = getattr(module, "markdown", table)(rows)
    return made.strip()


def put(text: str, part: str, new: str) -> str:
    """The document with another text between a part's markers."""
    start, end = f"<!-- {part}: made by `python -m benchmarks {part} --docs` -->", f"<!-- end of {part} -->"
    head, found, rest = text.partition(start)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise NoPlaceError(f"docs/benchmarks.md wants these two lines where the table shall stand:\n{start}\n{end}")
    return f"{head}{start}\n{new}\n{end}{tail}"


def stamp(run: Run, part: Part) -> str:
    """When, on what, with what."""
    machine = run.machine
    glance = " (a quick run: a glance, no figure)" if run.quick else ""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(part.versions.items(), key=_folded))
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    return f"Measured on {run.measured_at[:10]}{glance} in {part.took_seconds:.0f} s: {where}; {versions}."


def _folded(pair: tuple[str, str]) -> str:
    return pair[0].casefold()


def table(rows: Sequence[Row]) -> str:
    """The usual table; columns in which nobody says anything are left out."""
    lines = [_cells(row, before) for row, before in zip(rows, [None, *rows], strict=False)]
    said = [at for at, name in enumerate(COLUMNS) if name in {"", "who"} or any(line[at] for line in lines)]
    head = [COLUMNS[at] for at in said]
    rule = ["---:" if COLUMNS[at] in {"CPU us", "wall us", "a second"} else "---" for at in said]
    return "\n".join(
        f"| {' | '.join(cells)} |" for cells in (head, rule, *([line[at] for at in said] for line in lines))
    )


def _cells(row: Row, before: Row | None) -> tuple[str, ...]:
    task = "" if before and before.task == row.task else row.task
    goal = f"{row.goal.text}: {'met' if row.goal.met else '**not met**'}" if row.goal else ""
    cells = (task, row.who, micro(row.cpu), micro(row.wall), a_second(row), row.note, goal)
    return tuple(re.sub(r"\|", r"\|", cell) for cell in cells)
