"""Packed digests say what a dictionary says."""

import hashlib
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.guard.digests import Digests, _split

STEPS = ["put"] * 6 + ["forget", "begin anew", "drop old"]


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

    record_and_more = table._buckets[0]
    across = record_and_more[20:36]

    assert record_and_more[29:45] == second
    assert table.epoch(across) is None
    assert table.epoch(first) == table.epoch(second) == 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 300), st.integers(0, 50), st.integers(0, 9)),
        max_size=400,
    )
)
def test_it_says_what_a_dictionary_says(steps: list[tuple[str, int, int, int]]) -> None:
    table, plain, life = Digests(), dict[bytes, tuple[int, int, int]](), 0

    for step, number, until, epoch in steps:
        match step:
            case "put":
                table.put(digest(number), until=until, epoch=epoch)
                old = plain.get(digest(number), (0, 0, 0))
                old = old if old[2] == life else (0, 0, 0)
                plain[digest(number)] = (max(old[0], until), max(old[1], epoch), life)
            case "forget":
                table.forget(now=until)
                plain = {name: kept for name, kept in plain.items() if kept[0] > until}
            case "begin anew":
                table.begin_anew()
                life += 1
            case "drop old":
                table.drop_old()
                plain = {name: kept for name, kept in plain.items() if kept[2] == life}

    assert len(table) == len(plain)
    for number in range(301):
        kept = plain.get(digest(number))
        assert table.epoch(digest(number)) == (None if kept is None else kept[1])


def test_a_new_life_takes_the_place_of_the_old_one_without_a_second_table() -> None:
    table = Digests()
    for number in range(1000):
        table.put(digest(number), until=100, epoch=9)

    table.begin_anew()
    for number in range(500, 1500):
        table.put(digest(number), until=100, epoch=3)

    assert len(table) == 1500
    assert [table.epoch(digest(number)) for number in (0, 499, 500, 1499)] == [9, 9, 3, 3]
    table.drop_old()
    assert len(table) == 1000
    assert [table.epoch(digest(number)) for number in (0, 499, 500, 1499)] == [None, None, 3, 3]
    table.drop_old()
    assert len(table) == 1000


def test_readers_beside_a_writer_miss_nothing_that_was_put() -> None:
    table, done = Digests(), Event()
    known = [digest(number) for number in range(200)]
    for name in known:
        table.put(name, until=100, epoch=1)

    def write() -> None:
        for number in range(200, 60_000):
            table.put(digest(number), until=100, epoch=1)
        done.set()

    def read() -> int:
        missed = 0
        while not done.is_set():
            missed += sum(table.epoch(name) is None for name in known)
        return missed

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        pool.submit(write).result(60)
        missed = [reader.result(60) for reader in readers]

    assert missed == [0, 0]


class Splitting(list[bytes]):
    """Buckets of which one is split between the choice of a bucket and the look into it."""

    is_due = True

    def __getitem__(self, at: Any) -> Any:
        if self.is_due:
            self.is_due = False
            _split(self)
        return super().__getitem__(at)


def test_a_split_under_a_readers_hands_is_noticed() -> None:
    names = [digest(number) for number in range(24)]
    for name in names:
        table = Digests()
        for put in names:
            table.put(put, until=100, epoch=1)
        table._buckets = Splitting(table._buckets)
        assert len(table._buckets) == 2

        assert table.epoch(name) == 1


def test_fifty_thousand_entries_take_less_than_fifty_bytes_each_also_while_they_come_and_are_replaced() -> None:
    digests = [digest(number) for number in range(50_000)]
    table = Digests()
    tracemalloc.start()
    try:
        for life in range(2):
            table.begin_anew()
            for name in digests:
                table.put(name, until=100, epoch=life)
            table.drop_old()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(table) == 50_000
    assert table.epoch(digests[0]) == 1
    assert most < 50 * 50_000
