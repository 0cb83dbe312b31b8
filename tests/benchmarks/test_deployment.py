from dataclasses import fields, replace

import pytest

from benchmarks.deployment import Habits, Units, markdown, needs, too_many, units_of
from benchmarks.deployment import _row as row

UNITS = Units(
    refresh_node=200e-6,
    refresh_database=100e-6,
    login_node=0.02,
    login_database=0.001,
    refresh_wal=700,
    session_room=500,
    user_room=350,
    entry_wire=50,
    entry_guard=43,
    node_memory=6e7,
)


def test_a_million_users_by_hand() -> None:
    found = needs(1e6, UNITS)

    assert found.refreshes == pytest.approx(10.4167, rel=1e-4)
    assert found.logins == pytest.approx(0.69444, rel=1e-4)
    assert found.node_cores == pytest.approx((10.4167 * 200e-6 + 0.69444 * 0.02) / 0.6, rel=1e-4)
    assert found.room == pytest.approx(1.35e9)
    assert found.guard_memory == pytest.approx(0.34722 * 1080 * 43, rel=1e-4)


def test_all_grows_with_the_users() -> None:
    small, large = needs(1e4, UNITS), needs(1e8, UNITS)

    assert all(getattr(large, field.name) == pytest.approx(1e4 * getattr(small, field.name)) for field in fields(small))


def test_each_page_is_logged_whole_once_between_two_checkpoints() -> None:
    rare, often = Habits(refreshes=0.01), Habits(refreshes=1e6)

    by_itself = needs(1e6, UNITS, rare)
    crowded = needs(1e6, UNITS, often)

    assert by_itself.wal == pytest.approx(by_itself.refreshes * (700 + 8192), rel=1e-3)
    assert crowded.wal == pytest.approx(crowded.refreshes * 700 + 1e9 / 300, rel=1e-3)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, "100 MB of WAL a second"),
        ({"refresh_database": 1.0}, "32 cores"),
        ({"user_room": 1e6}, "4 TB"),
    ],
)
def test_what_runs_out_first_is_told(changed: dict[str, float], why: str) -> None:
    users, reason = too_many(replace(UNITS, **changed))

    assert reason == why
    assert users > 0


def test_the_units_come_back_from_the_rows_of_a_run() -> None:
    rows = [row(field.name, getattr(UNITS, field.name)) for field in fields(UNITS)]

    assert units_of(rows) == UNITS


def test_the_document_has_a_column_for_each_size() -> None:
    rows = [row(field.name, getattr(UNITS, field.name)) for field in fields(UNITS)]

    text = markdown(rows)

    assert text.splitlines()[0] == "| users | 1e4 | 1e6 | 1e8 | 1e9 |"
    assert "One PostgreSQL serves up to" in text
