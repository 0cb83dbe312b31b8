"""Single flight by itself; with sessions it is tested in `test_shared`."""

import asyncio
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from jotgate.client.flight import Flight, arrival, aside, landed


def test_all_who_ask_meanwhile_share_one_flight() -> None:
    flight: Flight[int] = Flight()
    go = Event()
    flown: list[int] = []

    def work() -> int:
        go.wait()
        flown.append(1)
        return len(flown)

    with ThreadPoolExecutor(100) as pool:
        boarded = list(pool.map(lambda _number: flight.board(lambda: None, work), range(100)))
        go.set()

    assert {future.result() for future in boarded} == {1}
    assert flight.board(lambda: None, work).result() == 2


def test_what_is_known_needs_no_flight() -> None:
    flight: Flight[str] = Flight()

    assert flight.board(lambda: "known", lambda: pytest.fail("flew")).result() == "known"


def test_what_goes_wrong_reaches_all_and_holds_up_nobody() -> None:
    flight: Flight[int] = Flight()

    def crash() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        flight.board(lambda: None, crash).result()
    assert flight.board(lambda: None, lambda: 7).result() == 7


def test_nobody_who_waits_can_cancel_it() -> None:
    go = Event()
    future: Future[int] = aside(lambda: int(go.wait()))

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await arrival(future)

    asyncio.run(give_up())
    assert not future.cancel()
    go.set()

    assert future.result() == 1


def test_an_answer_that_is_there_is_there_in_a_task_too() -> None:
    assert asyncio.run(arrival(landed(5))) == 5


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # an answer that is on its way is waited for
        ("import time; aside(lambda: (time.sleep(0.3), print('landed')))", "landed"),
        # and no longer pause is
        ("aside(lambda: print(rest(600)))", "False"),
    ],
)
def test_a_process_that_ends_waits_for_an_answer_and_for_nothing_else(code: str, expected: str) -> None:
    command = [sys.executable, "-c", f"from jotgate.client.flight import aside, rest; {code}"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout.strip() == expected
