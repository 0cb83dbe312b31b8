"""SQLite as whoever tunes it has it: a write-ahead log, and commits that wait for no disk, as our own rotation's."""

from sqlalchemy import Engine, event

SQLITE = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"


def tune(engine: Engine) -> None:
    """The pragmas for every connection to SQLite; other databases are told by whoever starts them."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def say(connection: object, _record: object) -> None:
        connection.executescript(SQLITE)  # type: ignore[attr-defined] # each driver has a type of its own
