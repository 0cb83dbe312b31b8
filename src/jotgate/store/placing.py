"""One SQLite file in the place of another, at once: whoever opens it finds the old one or the new one, whole.

The old one is kept aside, its log with it: a log that stays behind would be read into the new one.
"""

import os
from contextlib import suppress
from pathlib import Path

_LOGS = ("-wal", "-journal")


def put(new: Path, path: Path, *, aside: Path) -> bool:
    """`new` becomes `path`, synced; what was there is `aside` now. Whether there was anything. Raises `OSError`."""
    _sync(new)
    there = path.exists()
    for log in _LOGS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + log).rename(aside.with_name(aside.name + log))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    if there:
        _name_too(path, aside)
        new.replace(path)
    else:
        os.link(new, path)  # never over one that came to be there meanwhile
        new.unlink()
    _sync(path.parent)
    return there


def _name_too(path: Path, aside: Path) -> None:
    try:
        os.link(path, aside)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: for a moment there is none at its place
        path.rename(aside)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
