"""From the shared subset to what PostgreSQL reads."""

import pytest

from jotgate.store import sessions
from jotgate.store.postgres_sql import relaxed, translated

THE_USER = "users.number = sessions.user_number"
USERS = f"select 1 from users where {THE_USER}"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("select 1", "select 1"),
        ("select a from b where c = ? and d = ?", "select a from b where c = $1 and d = $2"),
        ("select group_concat(role, ' ') from user_roles", "select string_agg(role, ' ') from user_roles"),
        (
            f"update sessions set a = ? where b = ? and exists ({USERS}) returning ({USERS.replace('1', 'name')})",
            f"update sessions set a = $1 from users where b = $2 and {THE_USER} returning users.name",
        ),
        ("update sessions set a = ? where b = ?", "update sessions set a = $1 where b = $2"),
    ],
)
def test_a_statement_is_translated(written: str, read: str) -> None:
    assert translated(written) == read


@pytest.mark.parametrize("end", ["", " returning c", "\n    returning c"])
def test_a_relaxed_update_says_so_in_its_condition(end: str) -> None:
    condition = relaxed(f"update a set b = ? where c = ?{end}")

    assert condition.startswith("update a set b = $1 where c = $2 and (select set_config('synchronous_commit', 'off', ")
    assert condition.endswith(end.strip() or "is not null")


def test_a_rotation_reads_its_users_row_once() -> None:
    assert relaxed(sessions.ROTATE).count("from users") == 1
