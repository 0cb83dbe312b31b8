import time

from jotgate.testing import Clock, TestIssuer


def test_it_stands_still_until_it_is_moved() -> None:
    clock = Clock()
    begun = clock.now

    assert abs(begun - time.time()) < 5
    assert clock() == begun
    assert clock.move(3600) == clock() == begun + 3600
    assert clock.move(-7200) == clock.now == begun - 3600


def test_it_can_begin_at_any_time_and_be_set() -> None:
    clock = Clock(1_900_000_000)

    clock.now = 2_000_000_000

    assert clock() == 2_000_000_000
    assert repr(clock) == "Clock(2000000000)"


def test_guards_and_tokens_share_it() -> None:
    with TestIssuer(clock=Clock(1_000_000_000)) as issuer:
        guard = issuer.guard("https://clock.example")
        token = issuer.mint(guard=guard)

        assert guard.verify(token).claims["iat"] == guard.clock() == 1_000_000_000
