"""A guard that listens to a real NATS server, which goes away, hangs, comes back, and carries lies."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

import jotgate.guard
from jotgate.errors import Revoked, SettingsError
from jotgate.guard import natsfeed
from jotgate.guard.batches import FLOOD
from jotgate.guard.courier import Courier, Errand
from jotgate.guard.guard import Guard
from jotgate.guard.natsfeed import NatsFeed, _Run
from jotgate.jose import jwks, new_key
from jotgate.wire import feedbatch
from tests.guard.conftest import Guards
from tests.guard.newsroom import Press, beat, press, told
from tests.guard.standin import StandIn, wait_for
from tests.servers.nats import Nats, running_nats, server_url


@pytest.fixture
def paper() -> Iterator[Press]:
    with press(server_url()) as made:
        yield made


@contextmanager
def beating(issuer: StandIn, url: str) -> Iterator[None]:
    """The issuer says every 100 ms how far its feed reaches, as long as the server takes it."""
    over = Event()

    def go() -> None:
        while not over.is_set():
            try:
                with press(url) as made:
                    while not over.wait(0.1):
                        made.beat(issuer)
            except OSError:
                over.wait(0.05)

    thread = Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def courier_of(guard: Guard) -> Courier:
    assert guard._courier is not None
    return guard._courier


def is_live(guard: Guard) -> bool:
    feed = courier_of(guard)._feed
    return feed is not None and feed.is_live


def listens(guard: Guard) -> bool:
    return guard.status().nats == "open"


def is_refused(guard: Guard, token: str) -> bool:
    try:
        guard.verify(token)
    except Revoked:
        return True
    return False


def threads(name: str = "jotgate-nats") -> list[Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


# --- news come


def test_news_come_over_nats_and_the_issuer_is_not_asked(issuer: StandIn, guards: Guards, paper: Press) -> None:
    guard = guards(issuer.url, feed=server_url(), max_staleness=2)
    good = issuer.token()
    guard.verify(good)
    with beating(issuer, server_url()):
        wait_for(lambda: is_live(guard))
        time.sleep(1.1)  # what was asked before has been answered
        asked = issuer.feed_asked
        time.sleep(1.1)
        assert issuer.feed_asked == asked

        issuer.revoke("sid", "s1")
        paper.news(issuer, told(issuer, 0))
        wait_for(lambda: is_refused(guard, good))

    status = guard.status()
    assert (status.nats, status.refused, status.revocations, status.problems) == ("open", 0, 1, ())


def test_what_nobody_published_is_asked_for(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, feed=[server_url()])
    good = issuer.token()
    guard.verify(good)
    with beating(issuer, server_url()):
        wait_for(lambda: is_live(guard))

        issuer.revoke("sid", "s1")

        wait_for(lambda: is_refused(guard, good))


def test_a_guard_that_denies_without_fresh_news_lives_by_beats(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, feed=server_url(), on_stale="deny", max_staleness=2)
    good = issuer.token()
    guard.verify(good)
    with beating(issuer, server_url()):
        wait_for(lambda: is_live(guard))
        issuer.feed_answer = (500, {}, b"")

        until = time.monotonic() + 3
        while time.monotonic() < until:
            guard.verify(good)
            time.sleep(0.05)


def test_other_subjects_are_not_heard(issuer: StandIn, guards: Guards, paper: Press) -> None:
    guard = guards(issuer.url, feed=server_url(), revocation="push")
    guard.verify(issuer.token())
    wait_for(lambda: listens(guard))
    issuer.revoke("sid", "s1")

    for subject in ("jotgate.feed.news", feedbatch.subject("https://other.example.com", feedbatch.NEWS), "hello"):
        paper.send(subject, told(issuer, 0), b"hello")
    paper.flush()
    paper.news(issuer, b"last")

    wait_for(lambda: guard.status().refused > 0)
    assert guard.status().refused == 1


# --- keys


def test_an_unknown_key_is_fetched_once_in_thirty_seconds(issuer: StandIn, guards: Guards, paper: Press) -> None:
    guard = guards(issuer.url, feed=server_url())
    guard.verify(issuer.token())
    wait_for(lambda: listens(guard))
    cache = courier_of(guard)._keys.cache
    issuer.keys.append(new_key("ES256", "k2"))
    assert cache._tried_at is not None

    paper.news(issuer, beat(issuer, key=issuer.keys[1]))
    wait_for(lambda: guard.status().refused == 1)
    assert issuer.keys_asked == 1
    cache._tried_at -= 31
    paper.news(issuer, *(beat(issuer, key=issuer.keys[1]) for _ in range(20)))

    wait_for(lambda: guard.status().refused >= 2)
    wait_for(lambda: issuer.keys_asked == 2)
    wait_for(lambda: cache.keys is not None and "k2" in cache.keys.by_kid)
    issuer.revoke("sid", "s1")
    paper.news(issuer, told(issuer, 0, key=issuer.keys[1]))
    wait_for(lambda: guard.status().revocations == 1)
    assert issuer.keys_asked == 2


def test_with_given_keys_there_is_nothing_to_fetch(issuer: StandIn, guards: Guards, paper: Press) -> None:
    guard = guards(issuer.url, feed=server_url(), jwks=jwks.of(*issuer.keys), revocation="push")
    good = issuer.token()
    guard.verify(good)
    wait_for(lambda: listens(guard))
    issuer.revoke("sid", "s1")

    paper.news(issuer, told(issuer, 0, key=new_key("ES256", "k9")), told(issuer, 0))

    wait_for(lambda: is_refused(guard, good))
    assert (guard.status().refused, issuer.keys_asked) == (1, 0)


# --- the server goes


@pytest.fixture
def own() -> Iterator[Nats]:
    with running_nats() as server:
        yield server


def refused_within(guard: Guard, token: str) -> float:
    begun_at = time.monotonic()
    wait_for(lambda: is_refused(guard, token))
    return time.monotonic() - begun_at


def test_a_killed_server_is_not_missed_and_found_again(issuer: StandIn, guards: Guards, own: Nats) -> None:
    guard = guards(issuer.url, feed=own.url)
    tokens = [issuer.token(sid=f"s{number}", jti=f"j{number}") for number in range(4)]
    for token in tokens:
        guard.verify(token)
    with beating(issuer, own.url):
        wait_for(lambda: is_live(guard))

        own.kill()
        issuer.revoke("sid", "s0")
        refused_within(guard, tokens[0])
        wait_for(lambda: guard.status().nats == "away")
        assert guard.status().problems
        issuer.revoke("sid", "s1")
        refused_within(guard, tokens[1])

        own.start()
        wait_for(lambda: is_live(guard))
        assert (guard.status().nats, guard.status().problems) == ("open", ())
        issuer.revoke("sid", "s2")
        refused_within(guard, tokens[2])
    assert guard.verify(tokens[3]).sid == "s3"


def test_a_server_that_hangs_is_given_up_and_found_again(issuer: StandIn, guards: Guards, own: Nats) -> None:
    guard = guards(issuer.url, feed=own.url)
    good = issuer.token()
    guard.verify(good)
    with beating(issuer, own.url):
        wait_for(lambda: is_live(guard))
        assert own.process is not None

        own.process.send_signal(signal.SIGSTOP)
        try:
            issuer.revoke("sid", "s1")
            wait_for(lambda: is_refused(guard, good))
            wait_for(lambda: guard.status().nats == "away")  # two pings were not answered
        finally:
            own.process.send_signal(signal.SIGCONT)
        wait_for(lambda: is_live(guard))


def test_of_several_servers_one_is_enough(issuer: StandIn, guards: Guards, own: Nats) -> None:
    own.kill()
    guard = guards(issuer.url, feed=[own.url, server_url()])

    guard.verify(issuer.token())

    wait_for(lambda: listens(guard))


def test_without_any_server_it_is_as_without_nats(issuer: StandIn, guards: Guards, own: Nats) -> None:
    own.kill()
    guard = guards(issuer.url, feed=own.url)
    good = issuer.token()
    guard.verify(good)

    issuer.revoke("sid", "s1")

    wait_for(lambda: is_refused(guard, good))
    status = guard.status()
    assert (status.nats, status.news) == ("away", "open")
    wait_for(lambda: any("refused" in problem.lower() for problem in guard.status().problems))


# --- somebody lies


def test_a_flood_of_lies_is_left_alone_and_news_come_over_http(
    issuer: StandIn, guards: Guards, own: Nats, caplog: pytest.LogCaptureFixture
) -> None:
    guard = guards(issuer.url, feed=own.url)
    good = issuer.token()
    guard.verify(good)
    with beating(issuer, own.url):
        wait_for(lambda: is_live(guard))
    thief = StandIn()
    thief.url, thief.keys = issuer.url, [new_key("ES256", "k1")]
    thief.revoke("sid", "s1")
    lies = [told(thief, 0, age=number / 1000) for number in range(50)]
    lies += [told(issuer, 0)[: 20 + number] for number in range(50)]
    lies += [bytes(900_000), b"", b".", *[beat(issuer, 10**9, age=number / 1000 + 60) for number in range(300)]]

    with press(own.url) as made:
        made.news(issuer, *lies)

    wait_for(lambda: guard.status().nats == "away")
    assert guard.verify(good).sid == "s1"
    assert guard.status().refused == FLOOD + 1
    wait_for(lambda: any("too much" in problem for problem in guard.status().problems))
    issuer.revoke("sid", "s1")
    wait_for(lambda: is_refused(guard, good))
    assert len([record for record in caplog.records if record.name == "jotgate.guard"]) == 1


def test_what_comes_too_fast_is_lost_and_missed(
    issuer: StandIn, guards: Guards, paper: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(natsfeed, "_PENDING_MESSAGES", 2)
    guard = guards(issuer.url, feed=server_url())
    guard.verify(issuer.token())
    wait_for(lambda: listens(guard))
    for number in range(60):
        issuer.revoke("sid", f"more-{number}")

    paper.news(issuer, *(told(issuer, number, number + 1) for number in range(60)), beat(issuer))
    with beating(issuer, server_url()):
        wait_for(lambda: guard.status().revocations == 60)


# --- the thread


def test_nothing_is_connected_before_the_first_token_and_after_the_end(
    issuer: StandIn, guards: Guards, paper: Press
) -> None:
    before = len(threads())
    guard = guards(issuer.url, feed=server_url())
    assert guard.status().nats == "away"
    assert len(threads()) == before

    guard.verify(issuer.token())
    wait_for(lambda: listens(guard))
    (mine,) = threads()[before:]
    guard.close()

    mine.join(20)
    assert not mine.is_alive()


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
