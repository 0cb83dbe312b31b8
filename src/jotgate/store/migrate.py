"""Migrations: the numbered .sql files of `schema/DIALECT/`, once each, all in one transaction.

Of processes that start together one takes the steps and the others wait for it: whoever takes steps locks the row 0 of
`jotgate_migrations`, which is no step, first.

    there are                                   answer
    ---------                                   ------
    no tables                                   all steps are taken
    our tables                                  the steps that are missing are taken
    our tables, and steps that we do not know   DatabaseUnusable: a newer jotgate made them
    others' tables, in a SQLite file            DatabaseUnusable: whoever has a file has all of it
    others' tables, in a schema of PostgreSQL   all steps are taken, but
    and one of them has one of our names        DatabaseUnusable: we do not know what is in it
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from jotgate.errors import DatabaseUnusable
from jotgate.store.ports import Dialect, Store, Tx

_LOCK = 0
_CREATED = re.compile(r"create table (\w+)")
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_TABLE = """create table if not exists jotgate_migrations
    (number integer primary key, name text not null, applied_at integer not null)"""


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered file, taken apart into statements."""

    number: int
    name: str
    statements: tuple[str, ...]


def steps(dialect: Dialect) -> tuple[Step, ...]:
    """What this jotgate knows, in order."""
    files = resources.files("jotgate.store").joinpath("schema", dialect).iterdir()
    found = ((_FILE.fullmatch(file.name), file) for file in files)
    known = (_step(int(match[1]), match[2], file.read_text("utf-8")) for match, file in found if match)
    return tuple(sorted(known, key=lambda step: step.number))


async def migrate(
    store: Store, *, now: int, entropy: Callable[[int], bytes], known: tuple[Step, ...] | None = None
) -> int:
    """Bring the database to this jotgate's schema; how many steps were taken. Two processes at once are fine.

    Raises `DatabaseUnusable` when a newer jotgate made the database; a step that fails leaves nothing.
    """
    steps_known = steps(store.dialect) if known is None else known
    if await check(store, known=steps_known):
        return 0
    incarnation = entropy(8).hex()
    return await store.upgrade(lambda tx: _take_steps(tx, steps_known, now=now, incarnation=incarnation))


async def _take_steps(tx: Tx, known: tuple[Step, ...], *, now: int, incarnation: str) -> int:
    await tx.run(_TABLE)
    note = "insert into jotgate_migrations (number, name, applied_at) values (?, ?, ?)"
    await tx.run(f"{note} on conflict do nothing", _LOCK, "lock", now)
    await tx.run("update jotgate_migrations set number = number where number = ?", _LOCK)
    applied = await _applied(tx)  # anew: another process may have been faster
    _refuse_newer(applied, known)
    missing = [step for step in known if step.number > applied]
    for step in missing:
        for statement in step.statements:
            await tx.run(statement)
        await tx.run(note, step.number, step.name, now)
    await tx.run("update feed_head set incarnation = ? where incarnation = ''", incarnation)
    return len(missing)


async def check(store: Store, *, known: tuple[Step, ...] | None = None) -> bool:
    """Whether the schema is this jotgate's own; False: `migrate` is due. Raises `DatabaseUnusable`: newer, not ours."""
    known = steps(store.dialect) if known is None else known
    tx = store.read()
    tables = await store.tables()
    if "jotgate_migrations" not in tables:
        _refuse_others(tables, store.dialect, known)
        return False
    applied = await _applied(tx)
    _refuse_newer(applied, known)
    return applied == known[-1].number


async def _applied(tx: Tx) -> int:
    row = await tx.one("select number, name from jotgate_migrations order by number desc limit 1")
    if row and str(row[1]).startswith("moved to "):
        raise DatabaseUnusable(f"This installation was {row[1]}: set JOTGATE_DATABASE_URL to where it lives now")
    return int(row[0]) if row else 0


def _refuse_others(tables: frozenset[str], dialect: Dialect, known: tuple[Step, ...]) -> None:
    if dialect == "sqlite" and tables:
        raise DatabaseUnusable(f"The database is not jotgate's: it holds {', '.join(sorted(tables)[:5])}")
    ours = {name for step in known for statement in step.statements for name in _CREATED.findall(statement)}
    if taken := ours & tables:
        raise DatabaseUnusable(
            f"The schema holds {', '.join(sorted(taken))}, and not by jotgate: make a database of its own, "
            "or a schema, and name it in JOTGATE_DATABASE_URL: ?search_path=SCHEMA"
        )


def _refuse_newer(applied: int, known: tuple[Step, ...]) -> None:
    if applied > known[-1].number:
        raise DatabaseUnusable(
            f"The database has schema {applied}, made by a newer jotgate; this one knows up to {known[-1].number}: "
            "install the newer version again, or restore a backup"
        )


def _step(number: int, name: str, text: str) -> Step:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    parts = re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE)
    return Step(number, name, tuple(part.strip() for part in parts if part.strip()))
