"""The thread that listens to NATS: when it begins and ends, who shares it, and what a fork makes of it."""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

import jotgate.guard
from jotgate.errors import SettingsError, Unavailable
from jotgate.guard import natsfeed
from jotgate.guard.batches import FLOOD
from jotgate.guard.courier import Courier, Errand
from jotgate.guard.guard import Guard
from jotgate.guard.natsfeed import NatsFeed, _Run
from tests.guard.conftest import Guards
from tests.guard.listeners import courier_of, is_refused, listens
from tests.guard.newsroom import Listening, Press, told
from tests.guard.standin import StandIn, wait_for
from tests.servers.nats import server_url


def ear_of(guard: Guard) -> NatsFeed:
    ear = courier_of(guard)._ear
    assert isinstance(ear, NatsFeed)
    return ear


def test_nothing_is_connected_before_the_first_token_and_after_the_end(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, feed=server_url())
    assert (guard.status().nats, ear_of(guard)._run) == ("away", None)

    guard.verify(issuer.token())
    wait_for(lambda: listens(guard))
    run = ear_of(guard)._run
    assert run is not None
    guard.close()

    run.thread.join(20)
    assert not run.thread.is_alive()


def test_a_thread_that_ended_is_started_again(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, feed=server_url(), max_staleness=2)
    guard.verify(issuer.token())
    wait_for(lambda: listens(guard))
    who = courier_of(guard)
    assert isinstance(who._ear, NatsFeed)
    assert who._ear._run is not None

    who._ear._run.end()
    who._ear._run.thread.join(20)
    who._rouse()

    wait_for(lambda: listens(guard))


def test_an_end_before_the_beginning_is_an_end() -> None:
    began = Event()

    async def work() -> None:
        began.set()

    run = _Run(work)
    run.end()
    run.thread.start()
    run.thread.join(20)
    run.end()

    assert not run.thread.is_alive()
    assert not began.is_set()


def test_out_of_threads_http_does_as_well(issuer: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    who = Courier(errand_of(issuer))
    assert isinstance(who._ear, NatsFeed)
    monkeypatch.setattr(Thread, "start", fail)

    who._ear.begin()
    who._ear.end()

    assert who._ear._run is None


def test_what_comes_after_too_much_is_not_looked_at(issuer: StandIn) -> None:
    listening = Listening(issuer)
    feed = NatsFeed((), listening.batches, lost=lambda: None)

    with pytest.raises(Unavailable, match="too much"):
        asyncio.run(feed._work(_Burst([b"lie"] * (FLOOD + 9))))

    assert (feed.refused, feed.state) == (FLOOD + 1, "away")


class _Burst:
    """A line on which all messages have come by the time that the server has heard of the subscription."""

    def __init__(self, messages: list[bytes]) -> None:
        self._messages = messages

    async def subscribe(self, subject: str, cb: Callable[[Any], Awaitable[None]], **_limits: int) -> None:
        self._subject, self._hear = subject, cb

    async def flush(self, _seconds: int) -> None:
        for message in self._messages:
            await self._hear(SimpleNamespace(subject=self._subject, data=message))


def errand_of(issuer: StandIn) -> Errand:
    return Errand(issuer.url, algorithms=frozenset({"ES256"}), poll_seconds=5, nats=(server_url(),))


def test_guards_with_other_servers_do_not_share_a_courier(issuer: StandIn, guards: Guards) -> None:
    first, second = guards(issuer.url, feed=server_url()), guards(issuer.url, feed=server_url())
    other = guards(issuer.url)

    assert first._courier is second._courier
    assert first._courier is not other._courier
    assert other.status().nats == "off"


def test_what_a_child_forgets_is_not_closed(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, feed=server_url())
    guard.verify(issuer.token())
    wait_for(lambda: listens(guard))
    ear = courier_of(guard)._ear
    assert isinstance(ear, NatsFeed)
    run = ear._run
    assert run is not None

    ear.after_fork()

    assert (ear._run, ear.state, run.thread.is_alive()) == (None, "away", True)
    natsfeed._left_behind.remove(run)
    run.end()
    run.thread.join(20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_listens_by_itself_and_the_parent_goes_on(issuer: StandIn, guards: Guards, paper: Press) -> None:
    guard = guards(issuer.url, feed=server_url())
    good = issuer.token()
    guard.verify(good)
    wait_for(lambda: listens(guard))
    read_end, write_end = os.pipe()

    child = os.fork()
    if child == 0:  # nothing of pytest may go on here
        try:
            os.write(write_end, b"away" if guard.status().nats == "away" else b"open")
            guard.verify(good)
            _patiently(lambda: listens(guard))
            os.write(write_end, b"open" if listens(guard) else b"away")
            _patiently(lambda: is_refused(guard, good))
            os.write(write_end, b"dead" if is_refused(guard, good) else b"good")
            guard.close()
        finally:
            os._exit(0)
    os.close(write_end)
    assert os.read(read_end, 4) == b"away"
    assert os.read(read_end, 4) == b"open"
    issuer.feed_answer = (500, {}, b"")  # over NATS alone
    issuer.revoke("sid", "s1")
    paper.news(issuer, told(issuer, 0))
    said = os.read(read_end, 4)
    os.waitpid(child, 0)
    os.close(read_end)

    assert said == b"dead"
    wait_for(lambda: is_refused(guard, good))
    issuer.revoke("sid", "s2")
    paper.news(issuer, told(issuer, 1))
    wait_for(lambda: guard.status().revocations == 2)


def _patiently(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_without_nats_py_it_says_what_to_install(issuer: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(jotgate.guard, "natsfeed")
    monkeypatch.setitem(sys.modules, "jotgate.guard.natsfeed", None)

    with pytest.raises(SettingsError, match=r"feed: needs nats-py: pip install 'jotgate\[nats\]'"):
        Guard(issuer.url, feed=server_url())
