"""When the key set is good, and when it is fetched; each instant on both sides of its second."""

import pytest

from jotgate.guard.keycache import (
    BACKOFF_SECONDS,
    COOLDOWN_SECONDS,
    FRESH_SECONDS,
    KEPT_SECONDS,
    KeyCache,
    backoff,
)
from jotgate.jose import jwks, new_key

KEYS = jwks.of(new_key("ES256", "k1"))
START = 1000.0


def cache() -> KeyCache:
    return KeyCache(lambda: 1.0)


def filled() -> KeyCache:
    full = cache()
    full.begun(now=START)
    full.succeeded(KEYS, now=START)
    return full


def test_without_a_set_the_first_token_fetches() -> None:
    empty = cache()

    assert empty.held(now=START) is None
    assert empty.wait(now=START) == 0
    assert empty.due(now=START) == 0


@pytest.mark.parametrize(("later", "seconds"), [(0.0, 0.5), (0.49, 0.01), (0.5, 0.0), (60.0, 0.0)])
def test_after_a_failure_without_a_set_the_back_off_is_waited_for(later: float, seconds: float) -> None:
    empty = cache()
    empty.begun(now=START)

    empty.failed("no route", now=START)

    assert empty.wait(now=START + later) == pytest.approx(seconds)
    assert empty.due(now=START + later) == pytest.approx(seconds)
    assert empty.problem == "no route"


@pytest.mark.parametrize(
    ("age", "held"), [(0.0, True), (KEPT_SECONDS - 1, True), (KEPT_SECONDS, False), (KEPT_SECONDS + 1, False)]
)
def test_a_set_may_be_used_for_a_day(age: float, *, held: bool) -> None:
    full = filled()

    assert (full.held(now=START + age) is KEYS) is held
    assert full.forget(now=START + age) is not held
    assert (full.keys is KEYS) is held


@pytest.mark.parametrize(
    ("age", "seconds"), [(0.0, FRESH_SECONDS), (FRESH_SECONDS - 1, 1.0), (FRESH_SECONDS, 0.0), (FRESH_SECONDS + 1, 0.0)]
)
def test_a_set_is_renewed_when_it_is_five_minutes_old(age: float, seconds: float) -> None:
    assert filled().due(now=START + age) == seconds


@pytest.mark.parametrize(
    ("age", "seconds"),
    [(0.0, COOLDOWN_SECONDS), (COOLDOWN_SECONDS - 1, 1.0), (COOLDOWN_SECONDS, 0.0), (COOLDOWN_SECONDS + 1, 0.0)],
)
def test_an_unknown_kid_fetches_once_in_thirty_seconds(age: float, seconds: float) -> None:
    assert filled().wait(now=START + age) == seconds


def test_a_failed_fetch_changes_nothing_but_the_next_try() -> None:
    full = filled()
    full.begun(now=START + 400)

    full.failed("HTML", now=START + 401)

    assert full.held(now=START + 401) is KEYS
    assert full.fetched_at == START
    assert full.wait(now=START + 401) == COOLDOWN_SECONDS - 1
    assert full.due(now=START + 401) == BACKOFF_SECONDS[0]


def test_a_good_answer_ends_the_failures() -> None:
    full = filled()
    full.failed("HTML", now=START + 400)

    full.succeeded(KEYS, now=START + 402)

    assert (full.failures, full.problem) == (0, "")
    assert full.due(now=START + 402) == FRESH_SECONDS


@pytest.mark.parametrize(
    ("failures", "longest"), [*enumerate(BACKOFF_SECONDS, start=1), (len(BACKOFF_SECONDS) + 1, 1.0), (1000, 1.0)]
)
def test_the_back_off_grows_up_to_its_end_and_the_dice_spread_it(failures: int, longest: float) -> None:
    assert backoff(failures, lambda: 0.0) == longest / 2
    assert backoff(failures, lambda: 0.5) == longest * 0.75
