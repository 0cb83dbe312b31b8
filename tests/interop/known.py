"""What docs/interop.md says of the peers, as data: its tables are what the tests hold the peers to."""

from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "interop.md"


@cache
def table(first: str) -> dict[str, dict[str, str]]:
    """The table whose first column is called so: row -> column -> cell."""
    lines = PAGE.read_text("utf-8").splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    _, *columns = _cells(lines[at])
    rows: dict[str, dict[str, str]] = {}
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = _cells(line)
        rows[name] = dict(zip(columns, cells, strict=True))
    return rows


def gaps(peer: str) -> set[str]:
    """The bad tokens that this peer lets through."""
    return {name for name, said in table("bad token").items() if said[peer] == "accepts"}


def algorithms(peer: str) -> set[str]:
    """The algorithms of ours that this peer verifies."""
    return {name.strip("`") for name, said in table("algorithm").items() if said[peer] == "yes"}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
