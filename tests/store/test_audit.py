"""The audit, on every store."""

import pytest

from jotgate.store import audit
from jotgate.store.ports import Store
from tests.store.rows import ADA, NOW, S1

pytestmark = pytest.mark.anyio


async def test_a_line_comes_back_whole(store: Store) -> None:
    async with store.begin() as tx:
        await audit.append(
            tx, "replay", now=NOW, actor="cli", user_id=ADA, session_id=S1, address="192.0.2.7", detail="generation 3"
        )

    (line,) = await audit.page(store.read())

    assert line == audit.Record(line.id, NOW, "replay", "cli", ADA, S1, "192.0.2.7", "generation 3")


async def test_fields_are_cut(store: Store) -> None:
    async with store.begin() as tx:
        await audit.append(tx, "login", now=NOW, detail="x" * 10_000)

    (line,) = await audit.page(store.read())

    assert line.detail == "x" * 500
    assert line.actor is None


async def test_pages_go_back_in_time(store: Store) -> None:
    async with store.begin() as tx:
        for number in range(5):
            await audit.append(tx, f"event{number}", now=NOW + number)

    first = await audit.page(store.read(), limit=2)
    second = await audit.page(store.read(), first[-1].id)

    assert [line.event for line in first] == ["event4", "event3"]
    assert [line.event for line in second] == ["event2", "event1", "event0"]


async def test_old_lines_are_swept_in_small_bites(store: Store) -> None:
    async with store.begin() as tx:
        for number in range(4):
            await audit.append(tx, f"event{number}", now=NOW + number)

        assert [await audit.sweep(tx, NOW + 3, 2) for _ in range(3)] == [2, 1, 0]

    assert [line.event for line in await audit.page(store.read())] == ["event3"]
