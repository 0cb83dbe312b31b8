from collections import Counter

from benchmarks.crowd import SEED, Crowd
from benchmarks.over_http import Round
from benchmarks.scale import rows_of
from jotgate.core import refresh_token
from jotgate.core.refresh_token import MacKey, parse

MAC = MacKey(7, bytes(32))
CROWD = Crowd(1000, 1_800_000_000, MAC)


def turns(*cpus: float) -> list[Round]:
    return [Round(1000, cpu, p50=0.001, p99=0.002, generator=0.1) for cpu in cpus]


def test_a_crowd_is_ordered_by_time_and_has_each_session_once() -> None:
    ids = [CROWD.session_id(number) for number in range(1000)]

    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert [row[0] for row in CROWD.rows()] == ids


def test_its_rows_are_by_users_that_it_has() -> None:
    users = {row[0] for row in CROWD.user_rows()}

    assert {row[1] for row in CROWD.rows()} <= users


def test_tokens_take_each_session_in_its_turn_and_then_once_more() -> None:
    presented = [parse(token, {MAC.id: MAC}) for token in CROWD.tokens(0, 200, hand=100)]

    assert set(Counter(one.session_id for one in presented).values()) == {2}
    assert [one.generation for one in presented] == [0] * 100 + [1] * 100
    assert {one.seed for one in presented} == {SEED}


def test_tokens_go_on_where_they_were() -> None:
    assert CROWD.tokens(0, 30) + CROWD.tokens(30, 30) == CROWD.tokens(0, 60)
    assert refresh_token.PREFIX in CROWD.tokens(0, 1)[0]


def test_the_largest_is_held_to_the_smallest() -> None:
    rows = rows_of("refresh", {10**3: turns(1.0, 1.0, 1.0), 10**7: turns(1.2, 1.3, 1.9)})

    assert [row.goal is None for row in rows] == [True, False]
    assert rows[1].goal is not None
    assert rows[1].goal.met


def test_beyond_a_third_more_the_goal_is_missed() -> None:
    rows = rows_of("refresh", {10**3: turns(1.0, 1.0, 1.0), 10**7: turns(1.31, 1.31, 1.31)})

    assert rows[1].goal is not None
    assert not rows[1].goal.met
