"""Whose signals are heard first by us, and that everybody's handlers stay theirs."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from jotgate.server import signals

TERM, INT = signal.SIGTERM, signal.SIGINT


class Ear:
    """Writes down who heard what, as a server's handler or as ours."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name = name
        self.heard = heard

    def tell(self) -> None:
        self.heard.append(self.name)

    def handle(self, _number: int, _frame: object) -> None:
        self.tell()


@pytest.fixture
def heard() -> Iterator[list[str]]:
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (TERM, INT)}
    yield []
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def server(heard: list[str]) -> Ear:
    made = Ear("server", heard)
    for number in (TERM, INT):
        signal.signal(number, made.handle)
    return made


@pytest.fixture
def ours(heard: list[str]) -> Ear:
    return Ear("ours", heard)


@pytest.mark.parametrize("number", [TERM, INT])
def test_a_servers_signals_are_heard_before_the_server(
    server: Ear, ours: Ear, heard: list[str], number: signal.Signals
) -> None:
    signals.listen(ours.tell)

    os.kill(os.getpid(), number)

    assert heard == ["ours", "server"]


def test_an_interrupt_that_is_not_the_servers_is_left_alone(server: Ear, ours: Ear) -> None:
    signal.signal(INT, signal.default_int_handler)

    signals.listen(ours.tell)

    assert signal.getsignal(INT) is signal.default_int_handler
    assert signal.getsignal(TERM) != server.handle


def test_the_runner_finds_its_interrupt_again(heard: list[str], ours: Ear) -> None:
    async def listen() -> None:
        signals.listen(ours.tell)

    signal.signal(TERM, Ear("server", heard).handle)
    signal.signal(INT, signal.default_int_handler)
    asyncio.run(listen())

    assert signal.getsignal(INT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_what_nobody_handles_stays_as_it_is(heard: list[str], ours: Ear, handler: signal.Handlers) -> None:
    for number in (TERM, INT):
        signal.signal(number, handler)

    signals.listen(ours.tell)

    assert [signal.getsignal(number) for number in (TERM, INT)] == [handler, handler]


def test_in_another_thread_nothing_is_touched(server: Ear, ours: Ear) -> None:
    for step in (signals.listen, signals.forget):
        thread = threading.Thread(target=step, args=(ours.tell,))
        thread.start()
        thread.join()

    assert signal.getsignal(TERM) == server.handle


def test_listening_again_is_listening_once(server: Ear, ours: Ear, heard: list[str]) -> None:
    other = Ear("other", heard)
    for _ in range(3):
        signals.listen(ours.tell)
        signals.listen(other.tell)

    os.kill(os.getpid(), INT)

    assert heard == ["other", "ours", "server"]


def test_what_was_there_before_is_put_back(server: Ear, ours: Ear) -> None:
    signals.listen(ours.tell)

    signals.forget(ours.tell)
    signals.forget(ours.tell)

    assert [signal.getsignal(number) for number in (TERM, INT)] == [server.handle, server.handle]


def test_a_handler_over_ours_stays(server: Ear, ours: Ear, heard: list[str]) -> None:
    late = Ear("late", heard)
    signals.listen(ours.tell)
    signal.signal(TERM, late.handle)

    signals.forget(ours.tell)

    assert [signal.getsignal(number) for number in (TERM, INT)] == [late.handle, server.handle]


def test_two_issuers_in_one_process_come_and_go_in_any_order(server: Ear, ours: Ear, heard: list[str]) -> None:
    other = Ear("other", heard)
    signals.listen(ours.tell)
    signals.listen(other.tell)

    signals.forget(ours.tell)  # below the other's: it stays
    signals.listen(ours.tell)
    signals.forget(other.tell)
    signals.forget(ours.tell)

    assert signal.getsignal(TERM) == server.handle
