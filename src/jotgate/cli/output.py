"""What commands print: a table for people, or the same rows as JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click
import msgspec

Row = Mapping[str, object]


def rows(items: Sequence[Row], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows: all their fields as JSON, or `columns` of them as a table."""
    if as_json:
        return click.echo(msgspec.json.format(msgspec.json.encode(items)).decode())
    table = [[column.removesuffix("_at").upper() for column in columns]]
    table += [[_cell(column, item[column]) for column in columns] for item in items]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return None


def facts(item: Row, *, as_json: bool) -> None:
    """Print one thing, a field a line."""
    if as_json:
        return click.echo(msgspec.json.format(msgspec.json.encode(item)).decode())
    width = max(map(len, item))
    for name, value in item.items():
        click.echo(f"{name.ljust(width)}  {_cell(name, value)}".rstrip())
    return None


def _cell(column: str, value: object) -> str:
    if value is None:
        return "-"
    if column.endswith("_at") and isinstance(value, int):
        return instant(value)
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value)) or "-"
    return ("yes" if value else "no") if isinstance(value, bool) else _printable(str(value))


def instant(seconds: object) -> str:
    """For people; what is no instant is shown as it is."""
    try:
        return datetime.fromtimestamp(int(str(seconds)), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def span(seconds: int) -> str:
    """A length of time, for people: its two largest units."""
    parts = ((seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])


def _printable(text: str) -> str:
    """What users wrote must not steer the operator's terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
