"""The checker: for each counter a history that must be counted, and its neighbours that must not."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.torture.told import (
    cut,
    guarded,
    login,
    logout,
    made,
    outage,
    password,
    refresh,
    refused,
    role,
    told,
)
from torture.allowance import STRICT, while_cut_off
from torture.check import COUNTERS, check, counted
from torture.history import Event, Fault

UNKNOWN = refused("refresh_invalid")
REPLAYED = refused("refresh_replayed")
WRONG = refused("invalid_credentials")
NO_ANSWER: dict[str, Any] = {"status": 0}
AWAY = refused("unavailable", 503)


def counts(*events: Event, faults: tuple[Fault, ...] = ()) -> dict[str, int]:
    """Those that are not 0."""
    found = counted(check(told(*events, faults=faults)))
    assert tuple(found) == COUNTERS
    return {counter: count for counter, count in found.items() if count}


def test_a_life_without_faults_counts_nothing() -> None:
    life = [
        login(0),
        refresh(1),
        refresh(2, 1),
        guarded(3),
        login(3, "s2"),
        password(4, 1, "s2"),
        refresh(5, 2, **UNKNOWN),
        login(6, **WRONG, session=""),
        login(7, "s3", number=1),
        role(8, 1),
        refresh(9, 0, "s3", number=1),
        guarded(9.5, "s3", **refused("claims_stale")),
        guarded(10, "s3", number=1),
        logout(11, "s3"),
        refresh(12, 1, "s3", **UNKNOWN),
        guarded(12.2, "s3", number=1, **refused("token_revoked")),
    ]

    assert counts(*life) == {}


# --- lost: logins and logouts


def test_a_session_that_a_login_opened_and_that_is_unknown_was_lost() -> None:
    assert counts(login(0), refresh(1, **UNKNOWN)) == {"lost": 1}


def test_a_session_that_was_logged_out_is_unknown() -> None:
    assert counts(login(0), logout(1), refresh(2, **UNKNOWN)) == {}


@pytest.mark.parametrize("unclear", [NO_ANSWER, AWAY, refused("internal", 500)])
def test_a_logout_that_may_have_happened_explains_that_its_session_is_unknown(unclear: Any) -> None:
    assert "lost" not in counts(login(0), logout(1, **unclear), refresh(2, **UNKNOWN))


def test_a_logout_of_another_session_explains_nothing() -> None:
    assert counts(login(0), login(0, "s2"), logout(1, "s2"), refresh(2, **UNKNOWN)) == {"lost": 1}


def test_a_refresh_after_an_acknowledged_logout_means_that_it_was_lost() -> None:
    assert counts(login(0), logout(1), refresh(2)) == {"lost": 1}


def test_a_refresh_at_the_same_time_as_the_logout_may_have_been_first() -> None:
    assert counts(login(0), logout(1, ended_at=2.0), refresh(1.9, ended_at=3.0)) == {}


@pytest.mark.parametrize("unclear", [NO_ANSWER, AWAY])
def test_a_logout_that_nobody_answered_may_not_have_happened(unclear: Any) -> None:
    assert counts(login(0), logout(1, **unclear), refresh(2)) == {}


def test_a_lost_session_counts_once() -> None:
    assert counts(login(0), logout(1), refresh(2), refresh(3, 1), refresh(4, 2)) == {"lost": 1}


# --- lost: passwords


def test_an_old_password_that_logs_in_after_the_change() -> None:
    assert counts(login(0), password(1, 1), login(2, "s2")) == {"lost": 1}


def test_an_old_password_that_logs_in_at_the_same_time_as_the_change() -> None:
    assert counts(login(0), password(1, 1, ended_at=2.0), login(1.9, "s2")) == {}


def test_an_old_password_after_a_change_that_nobody_answered() -> None:
    assert counts(login(0), password(1, 1, **NO_ANSWER), login(2, "s2")) == {}


def test_an_old_password_after_a_new_one_has_logged_in() -> None:
    assert counts(login(0), password(1, 1, **NO_ANSWER), login(2, "s2", number=1), login(3, "s3")) == {"lost": 1}


def test_a_new_password_that_does_not_log_in() -> None:
    assert counts(login(0), password(1, 1), login(2, "", number=1, **WRONG)) == {"lost": 1}


def test_a_new_password_that_may_have_been_changed_again() -> None:
    assert counts(login(0), password(1, 1), password(2, 2, **NO_ANSWER), login(3, "", number=1, **WRONG)) == {}


def test_a_new_password_that_nobody_acknowledged_need_not_log_in() -> None:
    assert counts(login(0), password(1, 1, **AWAY), login(2, "", number=1, **WRONG)) == {}


def test_a_session_with_an_old_password_ends_by_the_change_in_another_one() -> None:
    before = [login(0), login(0, "s2"), password(1, 1)]

    assert counts(*before, refresh(2, 0, "s2", **UNKNOWN)) == {}
    assert counts(*before, refresh(2, 0, "s2")) == {"lost": 1}


def test_the_session_that_changes_the_password_and_those_after_it_live_on() -> None:
    before = [login(0), password(1, 1), login(2, "s2", number=1)]

    assert counts(*before, refresh(3), refresh(3, 0, "s2")) == {}
    assert counts(*before, refresh(3, **UNKNOWN), refresh(3, 0, "s2", **UNKNOWN)) == {"lost": 2}


def test_a_change_that_finds_another_password_than_the_one_that_was_set() -> None:
    wrong = password(3, 2, **WRONG)

    assert counts(login(0), password(1, 1), wrong) == {"lost": 1}
    assert counts(login(0), password(1, 1), password(2, 2, **NO_ANSWER), wrong) == {}


# --- lost: roles


def test_a_role_that_a_refresh_does_not_bring() -> None:
    assert counts(login(0), role(1, 3), refresh(2, number=2)) == {"lost": 1}


def test_a_role_that_was_set_while_the_refresh_was_under_way() -> None:
    assert counts(login(0), role(1, 3, ended_at=2.0), refresh(1.9, number=2)) == {}


def test_a_role_that_a_request_without_an_answer_set_later() -> None:
    before = [login(0), role(0.5, 2, **NO_ANSWER), role(1, 3)]

    assert counts(*before, refresh(2, number=2)) == {}
    assert counts(*before, refresh(60, number=2)) == {"lost": 1}


# --- second successors


def test_two_tokens_for_one_presented_token() -> None:
    other = refresh(2, given=made("s1", 2, other=" another"))

    assert counts(login(0), refresh(1), other) == {"second_successors": 1}


def test_two_tokens_of_one_generation() -> None:
    other = refresh(3, 1, presented=made("s1", 1), given=made("s1", 1, other=" another"))

    assert counts(login(0), refresh(1), other) == {"second_successors": 1}


def test_the_same_token_again() -> None:
    assert counts(login(0), refresh(1), refresh(1), refresh(2)) == {}


# --- stranded


@pytest.mark.parametrize("why", [UNKNOWN, REPLAYED])
def test_the_newest_token_is_refused(why: Any) -> None:
    assert counts(login(0), refresh(1), refresh(2, 1, **why)) == {"stranded": 1}


def test_the_parent_of_the_newest_token_is_refused_at_the_same_time() -> None:
    assert counts(login(0), refresh(1, ended_at=3.0), refresh(2, 0, ended_at=4.0, **UNKNOWN)) == {"lost": 1}
    assert counts(login(0), refresh(1), refresh(2, 1), refresh(3, 1, **REPLAYED)) == {"stranded": 1}


def test_a_token_that_its_owner_had_left_behind_is_refused() -> None:
    assert counts(login(0), refresh(1), refresh(2, 1), refresh(3, 2), refresh(4, 1, **REPLAYED)) == {}


def test_a_session_that_somebody_may_have_ended_is_not_stranded() -> None:
    assert counts(login(0), refresh(1), logout(2, **NO_ANSWER), refresh(3, 1, **UNKNOWN)) == {}


def test_a_refresh_without_an_answer_strands_nobody() -> None:
    assert counts(login(0), refresh(1, **NO_ANSWER), refresh(2, **AWAY), refresh(3)) == {}


# --- accepted late


def test_a_guard_has_a_second() -> None:
    assert counts(login(0), logout(1), guarded(2.0)) == {}
    assert counts(login(0), logout(1), guarded(2.2)) == {"accepted_late": 1}


def test_an_access_token_counts_once_for_each_guard() -> None:
    late = [guarded(3), guarded(4), guarded(3, at=STRICT), guarded(4, at=STRICT)]

    assert counts(login(0), logout(1), *late) == {"accepted_late": 2}


def test_a_logout_without_an_answer_promises_nothing() -> None:
    assert counts(login(0), logout(1, **NO_ANSWER), guarded(5)) == {}


def test_a_new_password_ends_the_tokens_of_other_sessions() -> None:
    before = [login(0), login(0, "s2"), password(1, 1)]

    assert counts(*before, guarded(3)) == {}
    assert counts(*before, guarded(3, "s2")) == {"accepted_late": 1}


def test_a_new_role_ends_the_tokens_with_the_old_one() -> None:
    assert counts(login(0), role(1, 4), guarded(3, number=4)) == {}
    assert counts(login(0), role(1, 4), guarded(3, number=3)) == {"accepted_late": 1}


def test_an_outage_excuses_until_two_seconds_after_it() -> None:
    away = (outage(1.5, 10.0),)

    assert counts(login(0), logout(1), guarded(11.9), faults=away) == {}
    assert counts(login(0), logout(1), guarded(12.1), faults=away) == {"accepted_late": 1}


def test_an_outage_that_came_after_the_second_excuses_nothing() -> None:
    assert counts(login(0), logout(1), guarded(4), faults=(outage(2.5, 10.0),)) == {"accepted_late": 1}


def test_a_node_that_is_cut_off_excuses_nothing() -> None:
    assert counts(login(0), logout(1), guarded(4), faults=(cut(0.5, 10.0),)) == {"accepted_late": 1}


def test_the_guard_that_denies_has_its_staleness_alone() -> None:
    away = (outage(1.0, 10.0),)

    assert counts(login(0), logout(1), guarded(3.2, at=STRICT), faults=away) == {}
    assert counts(login(0), logout(1), guarded(3.5, at=STRICT), faults=away) == {"accepted_late": 1}


def test_what_an_outage_excuses_is_told_all_the_same() -> None:
    away = (outage(1.0, 10.0),)

    assert while_cut_off(told(login(0), logout(1), guarded(1.5), faults=away)) == 0
    assert while_cut_off(told(login(0), logout(1), guarded(5), guarded(6), faults=away)) == 1


# --- refused


@pytest.mark.parametrize("code", ["token_revoked", "claims_stale"])
def test_a_guard_that_refuses_a_good_token(code: str) -> None:
    assert counts(login(0), guarded(1, **refused(code))) == {"refused": 1}


def test_a_guard_that_has_heard_before_the_acknowledgement() -> None:
    assert counts(login(0), logout(1, ended_at=2.0), guarded(1.1, **refused("token_revoked"))) == {}


def test_an_issuer_that_refuses_a_good_token() -> None:
    assert counts(login(0), password(1, 1, **refused("token_revoked"))) == {"refused": 1}
    assert counts(login(0), role(1, 1, **refused("claims_stale"))) == {"refused": 1}


def test_a_role_that_may_have_been_set_explains_stale_claims() -> None:
    assert counts(login(0), role(1, 1, **NO_ANSWER), guarded(2, **refused("claims_stale"))) == {}


# --- the rest


@pytest.mark.parametrize("request_", [login, refresh, logout, guarded])
def test_a_5xx_that_is_not_503(request_: Callable[..., Event]) -> None:
    assert counts(request_(0, **refused("internal", 500))) == {"server_errors": 1}
    assert counts(request_(0, **AWAY)) == {}


@pytest.mark.parametrize(
    "event",
    [
        login(1, "", **refused("throttled", 429)),
        refresh(1, **refused("invalid_field", 422)),
        logout(1, **refused("not_found", 404)),
        guarded(1, **refused("token_malformed")),
    ],
)
def test_an_answer_that_no_rule_expects(event: Event) -> None:
    assert counts(login(0), event) == {"unexplained": 1}
