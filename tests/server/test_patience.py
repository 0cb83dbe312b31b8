"""Waiting with a limit."""

import asyncio

import pytest

from jotgate.server.patience import within

pytestmark = pytest.mark.anyio
LONG = 60.0


async def test_what_is_here_already_is_given_without_a_timer() -> None:
    async def here() -> int:
        return 7

    assert await within(here(), 0) == 7


async def test_what_comes_in_time_is_waited_for_however_often_it_waits() -> None:
    async def later() -> list[int]:
        seen = []
        for number in range(3):
            await asyncio.sleep(0)
            ready = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(ready.set_result, number)
            seen.append(await ready)
        return seen

    assert await within(later(), LONG) == [0, 1, 2]


async def test_what_does_not_come_is_given_up_and_told_so() -> None:
    told = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told.append("the end")

    with pytest.raises(TimeoutError):
        await within(never(), 0)
    assert told == ["the end"]


@pytest.mark.parametrize("pauses", [0, 1, 2])
async def test_what_goes_wrong_is_raised(pauses: int) -> None:
    async def wrong() -> None:
        for _ in range(pauses):
            await asyncio.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        await within(wrong(), LONG)


async def test_an_error_that_it_waits_for_can_be_dealt_with() -> None:
    async def careful() -> str:
        failing = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failing.set_exception, KeyError())
        try:
            await failing
        except KeyError:
            await asyncio.sleep(0)
            return "dealt with"
        return ""

    assert await within(careful(), LONG) == "dealt with"


async def test_who_waits_can_be_cancelled() -> None:
    begun = asyncio.Event()

    async def never() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(within(never(), LONG))
    await begun.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
