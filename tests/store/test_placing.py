"""One file in the place of another."""

from pathlib import Path

import pytest

from jotgate.store.placing import put


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / ".draft"
    path.write_text("new")
    return path


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_where_nothing_was_it_is_simply_there(tmp_path: Path, draft: Path) -> None:
    assert not put(draft, tmp_path / "db", aside=tmp_path / "db.old")

    assert contents(tmp_path) == {"db": "new"}


def test_what_was_there_is_kept_with_its_logs(tmp_path: Path, draft: Path) -> None:
    for name, text in (("db", "old"), ("db-wal", "log"), ("db-journal", "journal"), ("db-shm", "index")):
        (tmp_path / name).write_text(text)

    assert put(draft, tmp_path / "db", aside=tmp_path / "db.old")

    assert contents(tmp_path) == {"db": "new", "db.old": "old", "db.old-wal": "log", "db.old-journal": "journal"}


def test_a_log_without_its_database_is_not_read_into_the_new_one(tmp_path: Path, draft: Path) -> None:
    (tmp_path / "db-wal").write_text("log")

    put(draft, tmp_path / "db", aside=tmp_path / "db.old")

    assert contents(tmp_path) == {"db": "new", "db.old-wal": "log"}


def test_nothing_is_put_aside_over_anything(tmp_path: Path, draft: Path) -> None:
    (tmp_path / "db").write_text("old")
    (tmp_path / "db.old").write_text("older")

    with pytest.raises(FileExistsError):
        put(draft, tmp_path / "db", aside=tmp_path / "db.old")

    assert contents(tmp_path) == {"db": "old", "db.old": "older", ".draft": "new"}
