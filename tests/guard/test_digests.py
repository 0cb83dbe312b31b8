"""Packed digests say what a dictionary says."""

import hashlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.guard.digests import Digests


def digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()[:16]


def test_what_was_put_is_found_with_its_epoch() -> None:
    table = Digests()

    table.put(digest(1), until=100, epoch=0)
    table.put(digest(2), until=100, epoch=7)

    assert [table.epoch(digest(number)) for number in (1, 2, 3)] == [0, 7, None]
    assert len(table) == 2


def test_the_later_instant_and_the_higher_epoch_stay() -> None:
    table = Digests()

    for until, epoch in ((100, 5), (90, 9), (110, 3)):
        table.put(digest(1), until=until, epoch=epoch)

    assert len(table) == 1
    assert table.epoch(digest(1)) == 9
    table.forget(now=109)
    assert table.epoch(digest(1)) == 9


@pytest.mark.parametrize(("now", "left"), [(99, 1), (100, 0), (101, 0)])
def test_an_entry_is_forgotten_when_its_until_has_come(now: int, left: int) -> None:
    table = Digests()
    table.put(digest(1), until=100, epoch=0)

    table.forget(now=now)

    assert len(table) == left


def test_an_instant_past_all_counting_is_never() -> None:
    table = Digests()

    table.put(digest(1), until=10**15 - 1, epoch=10**15 - 1)

    table.forget(now=10**12)
    assert table.epoch(digest(1)) == 10**15 - 1


def test_bytes_across_two_records_are_no_digest() -> None:
    table = Digests()
    first, second = bytes(12) + b"abcd", bytes(12) + b"efgh"
    table.put(first, until=1, epoch=1)
    table.put(second, until=1, epoch=1)

    across = (first + (1).to_bytes(5, "big") + (1).to_bytes(7, "big") + second)[20:36]

    assert table.epoch(across) is None
    assert table.epoch(first) == table.epoch(second) == 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "forget"]), st.integers(0, 300), st.integers(0, 50), st.integers(0, 9)),
        max_size=400,
    )
)
def test_it_says_what_a_dictionary_says(steps: list[tuple[str, int, int, int]]) -> None:
    table, plain = Digests(), dict[bytes, tuple[int, int]]()

    for step, number, until, epoch in steps:
        if step == "put":
            table.put(digest(number), until=until, epoch=epoch)
            old = plain.get(digest(number), (0, 0))
            plain[digest(number)] = (max(old[0], until), max(old[1], epoch))
        else:
            table.forget(now=until)
            plain = {name: kept for name, kept in plain.items() if kept[0] > until}

    assert len(table) == len(plain)
    for number in range(301):
        kept = plain.get(digest(number))
        assert table.epoch(digest(number)) == (None if kept is None else kept[1])


def test_fifty_thousand_entries_take_less_than_sixty_bytes_each() -> None:
    digests = [digest(number) for number in range(50_000)]
    tracemalloc.start()
    try:
        table = Digests()
        for name in digests:
            table.put(name, until=100, epoch=0)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(table) == 50_000
    assert taken < 60 * 50_000
