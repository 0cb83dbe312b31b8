"""Two generations, bounded in entries and weight."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from jotgate.errors import UnknownKey
from jotgate.guard import memory as memory_module
from jotgate.guard.memory import STRANGERS, Memory, Strangers


def test_what_was_put_is_found() -> None:
    memory: Memory[int] = Memory(10, size=1000)

    memory.put("a", 1, weight=10)

    assert memory.get("a") == 1
    assert memory.get("b") is None


def test_the_older_generation_goes_when_the_younger_is_full() -> None:
    memory: Memory[int] = Memory(4, size=1000)

    for place, token in enumerate("abcde"):
        memory.put(token, place, weight=10)

    assert [memory.get(token) for token in "abcde"] == [None, None, 2, 3, 4]
    assert len(memory) == 3


def test_weight_bounds_it_as_well() -> None:
    memory: Memory[int] = Memory(1000, size=200)

    for place, token in enumerate("abc"):
        memory.put(token, place, weight=40)

    assert [memory.get(token) for token in "abc"] == [0, 1, 2]
    memory.put("d", 3, weight=70)
    assert [memory.get(token) for token in "abcd"] == [None, None, 2, 3]


def test_putting_the_same_again_weighs_nothing() -> None:
    memory: Memory[int] = Memory(1000, size=200)
    memory.put("a", 1, weight=60)

    for value in range(50):
        memory.put("b", value, weight=40)

    assert memory.get("a") == 1
    assert memory.get("b") == 49


def test_what_is_heavier_than_a_generation_is_not_remembered() -> None:
    memory: Memory[int] = Memory(10, size=200)

    memory.put("a", 1, weight=101)

    assert memory.get("a") is None


@pytest.mark.parametrize("entries", [0, 1])
def test_it_can_be_switched_off(entries: int) -> None:
    memory: Memory[int] = Memory(entries, size=1000)

    memory.put("a", 1, weight=1)

    assert len(memory) == 0


def test_clear_forgets_both_generations() -> None:
    memory: Memory[int] = Memory(2, size=1000)
    memory.put("a", 1, weight=1)
    memory.put("b", 2, weight=1)

    memory.clear()

    assert (memory.get("a"), memory.get("b"), len(memory)) == (None, None, 0)


def test_threads_may_use_it_at_once() -> None:
    memory: Memory[str] = Memory(64, size=1 << 20)

    def work(worker: int) -> bool:
        names = [f"{worker}-{place}" for place in range(2000)]
        for name in names:
            memory.put(name, name, weight=10)
        return all(memory.get(name) in (None, name) for name in names)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(memory) <= 64


def test_a_child_that_was_forked_while_somebody_wrote_can_write() -> None:
    memory: Memory[int] = Memory(10, size=1000)

    with memory._lock:  # another thread's, in the parent
        memory_module._after_fork()
        memory.put("a", 1, weight=1)

    assert memory.get("a") == 1


@pytest.mark.parametrize(
    ("token", "keys", "known"),
    [("head.body.sign", 1, True), ("head.another.one", 1, True), ("head2.body.sign", 1, False), ("head.x.y", 2, False)],
)
def test_a_header_is_a_stranger_to_the_set_that_does_not_know_it(token: str, keys: int, *, known: bool) -> None:
    sets = {1: object(), 2: object()}
    strangers = Strangers()
    strangers.note("head.body.sign", sets[1])

    if known:
        with pytest.raises(UnknownKey):
            strangers.refuse(token, sets[keys])
    else:
        strangers.refuse(token, sets[keys])


def test_strangers_of_another_set_and_too_many_of_them_are_forgotten() -> None:
    one, other, strangers = object(), object(), Strangers()
    strangers.note("first.body.sign", one)

    strangers.note("second.body.sign", other)
    strangers.refuse("first.body.sign", one)
    for number in range(STRANGERS):
        strangers.note(f"{number}.body.sign", other)

    strangers.refuse("second.body.sign", other)
    assert len(strangers._seen[1]) == 1
