from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import documents
from benchmarks.__main__ import PARTS
from benchmarks.documents import DOCS, NoPlaceError, publish, put, stamp, table
from benchmarks.report import Goal, Part, Row, Run

START, END = "<!-- tea: made by `python -m benchmarks tea --docs` -->", "<!-- end of tea -->"
ROWS = [
    Row("brew", "ours", cpu=0.5e-6, rate=2000.0, goal=Goal("at most 1", met=True)),
    Row("brew", "theirs", cpu=300e-6, note="a | b", goal=Goal("at least 2", met=False)),
]
RUN = Run(
    "2026-11-22T07:00:00Z",
    quick=True,
    machine={"cpu": "a CPU", "cores": "2", "system": "Linux", "python": "3.11"},
    parts={"tea": Part(ROWS, 12.3, {"b": "2", "A": "1"})},
)


def test_what_stood_between_the_markers_is_replaced() -> None:
    text = put(f"before\n{START}\nold\n{END}\nafter\n", "tea", "new")

    assert text == f"before\n{START}\nnew\n{END}\nafter\n"


def test_a_part_without_a_place_is_told_which_lines_to_write() -> None:
    with pytest.raises(NoPlaceError, match="end of tea"):
        put("nothing here", "tea", "new")


def test_a_table_leaves_out_what_nobody_says_and_says_what_was_not_met() -> None:
    head, _, *lines = table(ROWS).splitlines()

    assert head == "|  | who | CPU us | a second | beside it | goal |"
    assert lines == [
        "| brew | ours | 0.500 | 2,000 |  | at most 1: met |",
        "|  | theirs | 300 |  | a \\| b | at least 2: **not met** |",
    ]


def test_the_stamp_says_when_on_what_and_with_what() -> None:
    said = stamp(RUN, RUN.parts["tea"])

    assert said == (
        "Measured on 2026-11-22 (a quick run: a glance, no figure) in 12 s: "
        "a CPU, 2 cores, Linux, Python 3.11; A 1, b 2."
    )


def test_a_part_may_make_a_table_and_pictures_of_its_own(tmp_path: Path) -> None:
    tea = ModuleType("tea")
    vars(tea).update(markdown=lambda rows: f"{len(rows)} rows", pictures=lambda _rows: {"tea.svg": "<svg/>"})
    page = tmp_path / "benchmarks.md"
    page.write_text(f"{START}\n{END}\n")

    publish(RUN, {"tea": tea}, docs=tmp_path)

    assert "\n\n2 rows\n<!-- end" in page.read_text()
    assert (tmp_path / "tea.svg").read_text() == "<svg/>"


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_its_place_in_the_documents_and_its_command(part: str) -> None:
    page = (DOCS / "benchmarks.md").read_text("utf-8")

    assert put(page, part, "new") != page
    assert f"`python -m {documents.__package__} {part}`" in page
