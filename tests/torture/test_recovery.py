"""From the end of a fault to normal service."""

import math
from typing import Any

import pytest

from tests.torture.told import cut, guarded, login, logout, refresh, told
from torture.history import Event, Fault
from torture.recovery import is_normal, recoveries


def seconds(*events: Event, faults: tuple[Fault, ...] = (cut(10, 20),)) -> list[float]:
    return [round(found, 6) for _, found in recoveries(told(*events, faults=faults))]


def test_service_that_was_never_interrupted_is_normal_at_once() -> None:
    assert seconds(refresh(15), refresh(21), guarded(22)) == [0.0]


def test_what_was_sent_during_the_fault_says_nothing() -> None:
    assert seconds(refresh(19, status=503, ended_at=24.0), refresh(21)) == [0.0]


@pytest.mark.parametrize("bad", [{"status": 503}, {"status": 0}, {"status": 500}, {"ended_at": 23.6}])
def test_service_is_normal_after_the_last_request_that_was_not_served(bad: Any) -> None:
    assert seconds(refresh(21), refresh(21.5, **bad), refresh(23)) == [1.5]


def test_a_login_may_take_longer_than_a_refresh() -> None:
    assert is_normal(login(0, ended_at=4.0))
    assert not is_normal(login(0, ended_at=6.0))
    assert is_normal(refresh(0, ended_at=1.9))
    assert not is_normal(refresh(0, ended_at=2.1))


def test_a_refusal_is_service_too() -> None:
    assert seconds(refresh(21, status=401)) == [0.0]


def test_every_kind_of_request_must_have_succeeded() -> None:
    assert seconds(logout(5), refresh(21), refresh(22)) == [math.inf]
    assert seconds(logout(5), refresh(21), logout(22)) == [0.0]


def test_each_fault_has_until_the_next_one() -> None:
    faults = (cut(10, 20), cut(30, 40))

    assert seconds(refresh(21), refresh(29, status=0, ended_at=39.0), refresh(42), faults=faults) == [0.0, 0.0]
    assert seconds(refresh(42), faults=faults) == [math.inf, 0.0]
