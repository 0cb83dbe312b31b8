"""How long the next guess must wait."""

import hashlib
from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.throttle import (
    ACCOUNT_TIER,
    NETWORK_TIER,
    PAIR_TIERS,
    SITE_TIER,
    Limit,
    fail,
    forgive,
    limits_for,
    longest_wait,
    network,
    wait,
)

NOW = 1_800_000_000.0


def blind(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


class Table:
    """The smallest store of counts."""

    def __init__(self) -> None:
        self.counts: dict[bytes, float] = {}

    def waits(self, account: str, address: str, *, now: float) -> int:
        return longest_wait(limits_for(account, network(address), blind=blind), self.counts.get, now=now)

    def fails(self, account: str, address: str, *, now: float) -> None:
        for limit in limits_for(account, network(address), blind=blind):
            self.counts[limit.key] = fail(self.counts.get(limit.key), limit, now=now)


def guesses(table: Table, account: str, address: str, *, start: float, seconds: float) -> int:
    """How many tries somebody has who always waits exactly as long as he is told."""
    count, now = 0, start
    while True:
        now += table.waits(account, address, now=now)
        if now >= start + seconds:
            return count
        table.fails(account, address, now=now)
        count += 1


# --- one limit

LIMIT = Limit(b"k", 3, 10.0)


def test_nothing_counted_is_no_wait() -> None:
    assert wait(None, LIMIT, now=NOW) == 0


def test_the_burst_is_free_and_the_next_one_waits() -> None:
    tat = None
    for _ in range(3):
        assert wait(tat, LIMIT, now=NOW) == 0
        tat = fail(tat, LIMIT, now=NOW)

    assert wait(tat, LIMIT, now=NOW) == 10


@pytest.mark.parametrize(("later", "seconds"), [(9.0, 1.0), (10.0, 0.0), (11.0, 0.0)])
def test_a_wait_is_over_in_its_second(later: float, seconds: float) -> None:
    tat = None
    for _ in range(3):
        tat = fail(tat, LIMIT, now=NOW)

    assert wait(tat, LIMIT, now=NOW + later) == seconds


def test_a_count_leaks_away() -> None:
    tat = None
    for _ in range(3):
        tat = fail(tat, LIMIT, now=NOW)

    assert tat == NOW + 30
    assert fail(tat, LIMIT, now=NOW + 30) == fail(None, LIMIT, now=NOW + 30)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.integers(1, 8),
    st.floats(0.5, 100.0),
    st.lists(st.floats(0.0, 200.0), max_size=60),
)
def test_never_more_than_the_burst_and_the_rate_are_admitted(burst: int, seconds: float, gaps: list[float]) -> None:
    limit, tat, now, admitted = Limit(b"k", burst, seconds), None, NOW, 0
    for gap in gaps:
        now += gap
        if wait(tat, limit, now=now) == 0:
            tat = fail(tat, limit, now=now)
            admitted += 1

    assert admitted <= burst + (now - NOW) / seconds + 1e-6


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(1, 8), st.floats(0.5, 100.0), st.lists(st.floats(0.0, 200.0), max_size=60))
def test_who_waits_as_long_as_told_is_admitted(burst: int, seconds: float, gaps: list[float]) -> None:
    limit, tat, now = Limit(b"k", burst, seconds), None, NOW
    for gap in gaps:
        now += gap + wait(tat, limit, now=now + gap)

        assert wait(tat, limit, now=now) == pytest.approx(0, abs=1e-5)
        tat = fail(tat, limit, now=now)


@pytest.mark.parametrize("before", [None, NOW - 5, NOW + 25])
def test_what_is_forgiven_at_once_was_not_counted(before: float | None) -> None:
    assert forgive(fail(before, LIMIT, now=NOW), LIMIT) == max(before or 0.0, NOW)


# --- all limits together


def test_the_delay_grows() -> None:
    table, now, waits = Table(), NOW, []
    for _ in range(35):
        table.fails("email ada@example.com", "192.0.2.1", now=now)
        waits.append(table.waits("email ada@example.com", "192.0.2.1", now=now))
        now += waits[-1]

    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4] == 5
    assert max(waits[:9]) <= 5
    assert max(waits[9:29]) <= 60
    assert waits[-1] > 600
    assert max(waits) <= 900


def test_one_machine_has_about_a_hundred_guesses_a_day_at_an_account() -> None:
    assert guesses(Table(), "email ada@example.com", "192.0.2.1", start=NOW, seconds=86400) == pytest.approx(125, abs=2)


def test_an_owner_elsewhere_is_not_held_up_by_one_attacker() -> None:
    table = Table()
    guesses(table, "email ada@example.com", "192.0.2.1", start=NOW, seconds=3600)

    assert table.waits("email ada@example.com", "198.51.100.7", now=NOW + 3600) == 0


def test_an_owner_elsewhere_is_not_held_up_by_a_thousand_attackers() -> None:
    table = Table()
    for number in range(1000):
        table.fails("email ada@example.com", f"10.0.{number >> 8}.{number & 255}", now=NOW)

    assert table.waits("email ada@example.com", "10.0.0.1", now=NOW) > 3600
    assert table.waits("email ada@example.com", "198.51.100.7", now=NOW) == 0


def test_a_network_that_failed_is_asked_for_the_account_s_count_for_a_quarter_of_an_hour() -> None:
    table = Table()
    for number in range(1000):
        table.fails("email ada@example.com", f"10.0.{number >> 8}.{number & 255}", now=NOW)

    assert table.waits("email ada@example.com", "10.0.0.1", now=NOW + 899) > 0
    assert table.waits("email ada@example.com", "10.0.0.1", now=NOW + 900) == 0


def test_one_network_trying_many_accounts_is_slowed_down() -> None:
    table = Table()
    for number in range(30):
        assert table.waits(f"email {number}@example.com", "192.0.2.1", now=NOW) == 0
        table.fails(f"email {number}@example.com", "192.0.2.1", now=NOW)

    assert table.waits("email new@example.com", "192.0.2.1", now=NOW) == 2
    assert table.waits("email new@example.com", "192.0.2.2", now=NOW) == 0


def test_the_many_networks_of_one_ipv6_site_guess_as_slowly_as_one() -> None:
    table = Table()
    tried = 0
    for number in range(10_000):
        address = f"2001:db8:1:{number:x}::1"
        if table.waits("email ada@example.com", address, now=NOW) == 0:
            table.fails("email ada@example.com", address, now=NOW)
            tried += 1

    assert tried == SITE_TIER[0]
    assert table.waits("email ada@example.com", "2001:db8:1:ffff::1", now=NOW) == SITE_TIER[1]
    assert table.waits("email ada@example.com", "2001:db8:2:1::1", now=NOW) == 0
    assert table.waits("email bob@example.com", "2001:db8:1:1::1", now=NOW) == 0


def test_a_fraction_of_a_second_is_rounded_up() -> None:
    limit = Limit(b"k", 1, 0.3)

    assert longest_wait([limit], lambda _key: NOW + 0.3, now=NOW) == 1


def test_no_limits_are_no_wait() -> None:
    assert longest_wait([], lambda _key: None, now=NOW) == 0


def test_keys_are_blinded_and_differ() -> None:
    limits = limits_for("email ada@example.com", "192.0.2.1", blind=blind)

    assert len({limit.key for limit in limits}) == 5
    assert not any(b"ada" in limit.key or b"192" in limit.key for limit in limits)
    assert [(limit.burst, limit.seconds) for limit in limits] == [*PAIR_TIERS, NETWORK_TIER, ACCOUNT_TIER]


@pytest.mark.parametrize("place", ["192.0.2.1", "", "/run/jotgate.sock"])
def test_what_is_no_ipv6_network_has_no_site(place: str) -> None:
    assert len(limits_for("email ada@example.com", place, blind=blind)) == 5


def test_an_ipv6_network_counts_with_its_site_too() -> None:
    limits = limits_for("email ada@example.com", "2001:db8:1:2::/64", blind=blind)

    assert len({limit.key for limit in limits}) == 6
    assert (limits[-1].burst, limits[-1].seconds, limits[-1].only_after) == (*SITE_TIER, None)


# --- networks


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("testclient", "testclient"),
        ("/run/jotgate.sock", "/run/jotgate.sock"),
    ],
)
def test_who_counts_as_one_network(address: str, counts_as: str) -> None:
    assert network(address) == counts_as


@settings(derandomize=True, deadline=None)
@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_addresses_of_a_64_count_as_one(address: object, host: int) -> None:
    assert isinstance(address, IPv6Address)
    neighbour = IPv6Address(int(address) >> 64 << 64 | host)

    assert network(str(neighbour)) == network(str(address)) or address.ipv4_mapped or neighbour.ipv4_mapped
