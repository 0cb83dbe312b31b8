"""The courier at work: one thread for all guards of an issuer, in every process its own."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from jotgate.errors import KeysUnavailable
from jotgate.guard import courier as courier_module
from jotgate.guard.courier import Courier, Errand, _after_fork, courier
from jotgate.guard.known import NeedKeys, Status
from jotgate.jose import jwks, new_key
from jotgate.jose.jwks import KeySet
from tests.guard.standin import StandIn, issuing, wait_for


def errand(standin: StandIn, *, poll_seconds: int | None = 5) -> Errand:
    return Errand(standin.url, algorithms=frozenset({"ES256"}), poll_seconds=poll_seconds)


@pytest.fixture
def working(issuer: StandIn) -> Iterator[Courier]:
    made = courier(errand(issuer))
    yield made
    made.release()


def arrive(who: Courier) -> None:
    """Ask as a guard does, until everything is there."""
    for _ in range(5):
        found = who.look(now=time.monotonic())
        if not isinstance(found, NeedKeys):
            return
        for arrival, seconds in who.arrivals(found):
            with suppress(TimeoutError):
                arrival.result(seconds)
    raise AssertionError("nothing came")


def test_nothing_starts_before_the_first_look(issuer: StandIn, working: Courier) -> None:
    assert working.status(now=time.monotonic()) == Status(None, news="waiting")

    time.sleep(0.05)

    assert issuer.asked == []


def test_the_first_look_needs_keys_and_news(issuer: StandIn, working: Courier) -> None:
    assert working.look(now=time.monotonic()) == NeedKeys(keys=True, news=True)

    arrive(working)

    assert isinstance(working.look(now=time.monotonic()), KeySet)
    assert issuer.keys_asked == 1
    status = working.status(now=time.monotonic())
    assert (status.news, status.problems, status.revocations) == ("open", (), 0)


def test_without_a_feed_only_keys_are_asked_for(issuer: StandIn) -> None:
    made = courier(errand(issuer, poll_seconds=None))

    assert made.look(now=time.monotonic()) == NeedKeys(keys=True)
    arrive(made)

    assert made.revoked is None
    assert issuer.feed_asked == 0
    assert made.news_age(now=time.monotonic()) == float("inf")
    assert made.status(now=time.monotonic()).news == "off"
    made.release()


def test_with_given_keys_only_the_feed_is_read(issuer: StandIn) -> None:
    keys = jwks.of(new_key("ES256", "k1"))
    made = Courier(errand(issuer), given=keys)

    assert made.look(now=time.monotonic()) == NeedKeys(keys=False, news=True)
    arrive(made)
    issuer.revoke("kid", "k9")
    wait_for(lambda: made.revoked is not None and len(made.revoked) == 1)

    assert made.look(now=time.monotonic()) is keys
    assert not made.unknown_key(now=time.monotonic())
    assert issuer.keys_asked == 0
    assert made.status(now=time.monotonic()).keys_age == 0.0
    made.release()


def test_news_change_the_stamp(issuer: StandIn, working: Courier) -> None:
    arrive(working)
    before = working.stamp

    issuer.revoke("sid", "s1")

    wait_for(lambda: working.stamp is not before)
    assert working.revoked is not None
    assert len(working.revoked) == 1


def test_a_revoked_key_fetches_the_set_at_once(issuer: StandIn, working: Courier) -> None:
    arrive(working)

    issuer.keys = [new_key("ES256", "k2")]
    issuer.revoke("kid", "k1")

    wait_for(lambda: isinstance(found := working.look(now=time.monotonic()), KeySet) and "k2" in found.by_kid)
    assert issuer.keys_asked == 2


def test_an_unknown_key_may_be_asked_for_when_the_cooldown_is_over(working: Courier) -> None:
    arrive(working)

    assert not working.unknown_key(now=time.monotonic())
    assert working.unknown_key(now=time.monotonic() + 30)


def test_while_asking_cannot_help_there_is_an_error() -> None:
    with issuing(StandIn()) as standin:
        pass
    made = courier(errand(standin))
    need = made.look(now=time.monotonic())
    assert isinstance(need, NeedKeys)
    made.arrivals(need)[0][0].result(10)

    with pytest.raises(KeysUnavailable) as caught:
        made.look(now=time.monotonic())

    assert caught.value.retry_after == 1
    assert "ConnectionRefused" in caught.value.detail
    made.release()


def test_first_news_are_waited_for_no_longer_than_two_seconds(issuer: StandIn, working: Courier) -> None:
    issuer.feed_answer = (500, {}, b"")
    begun_at = time.monotonic()
    need = working.look(now=begun_at)
    assert isinstance(need, NeedKeys)
    working.arrivals(need)[0][0].result(10)

    assert working.look(now=begun_at + 1.9) == NeedKeys(keys=False, news=True)
    assert isinstance(working.look(now=begun_at + 2.0), KeySet)


def test_the_age_of_the_news_is_that_of_the_last_answer(working: Courier) -> None:
    assert working.news_age(now=time.monotonic()) == float("inf")

    arrive(working)

    assert working.news_age(now=time.monotonic()) < 20
    assert working.news_age(now=time.monotonic() + 1000) > 900


def is_stopped(who: Courier) -> bool:
    return who._stopped


def test_a_guard_may_be_collected_while_another_one_is_made(issuer: StandIn) -> None:
    made = courier(errand(issuer))

    with courier_module._lock:  # the garbage collector may come at any point, in this very thread
        made.release()
        assert not is_stopped(made)
    courier(errand(issuer, poll_seconds=None)).release()

    assert is_stopped(made)


def test_guards_of_one_issuer_share_a_courier(issuer: StandIn) -> None:
    first, second, other = courier(errand(issuer)), courier(errand(issuer)), courier(errand(issuer, poll_seconds=None))

    assert first is second
    assert first is not other
    arrive(first)
    first.release()
    assert not is_stopped(first)
    second.release()
    assert is_stopped(first)
    assert courier(errand(issuer)) is not first
    courier(errand(issuer)).release()
    courier(errand(issuer)).release()
    other.release()


def test_the_last_release_ends_the_thread(issuer: StandIn) -> None:
    made = courier(errand(issuer))
    arrive(made)
    thread = made._thread
    assert thread is not None

    made.release()

    thread.join(10)
    assert not thread.is_alive()
    before = len(issuer.asked)
    made._thread = None
    made.look(now=time.monotonic())
    assert made._thread is None
    assert len(issuer.asked) == before


def test_hanging_up_on_a_waiting_issuer_is_no_failure_to_report(
    issuer: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    made = courier(errand(issuer))
    arrive(made)
    thread = made._thread
    assert thread is not None
    wait_for(lambda: issuer.asked[-1].endswith("&wait=5"))

    made.release()

    thread.join(10)
    assert not thread.is_alive()
    assert caplog.records == []


def test_many_first_looks_start_one_thread(issuer: StandIn, working: Courier) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: arrive(working), range(50)))

    assert issuer.keys_asked == 1
    assert len([thread for thread in threading.enumerate() if thread is working._thread]) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_reads_the_feed_by_itself(issuer: StandIn, working: Courier) -> None:
    arrive(working)
    read_end, write_end = os.pipe()

    child = os.fork()
    if child == 0:  # nothing of pytest may go on here
        try:
            assert working._thread is None
            arrive(working)
            os.write(write_end, b"ready")
            revoked = working.revoked
            deadline = time.monotonic() + 10
            while (revoked is None or len(revoked) == 0) and time.monotonic() < deadline:
                time.sleep(0.01)
            os.write(write_end, b"heard" if revoked is not None and len(revoked) == 1 else b"deaf!")
        finally:
            os._exit(0)
    os.close(write_end)
    assert os.read(read_end, 5) == b"ready"
    issuer.revoke("sid", "s1")
    said = os.read(read_end, 5)
    os.waitpid(child, 0)
    os.close(read_end)

    assert said == b"heard"
    wait_for(lambda: working.revoked is not None and len(working.revoked) == 1)


def test_after_a_return_of_the_issuer_it_catches_up() -> None:
    standin = StandIn()
    with issuing(standin):
        port = int(standin.url.rpartition(":")[2])
        made = courier(errand(standin))
        arrive(made)
    wait_for(lambda: made.status(now=time.monotonic()).news == "failing")
    assert isinstance(made.look(now=time.monotonic()), KeySet)

    standin.revoke("sid", "s1")
    with issuing(standin, port):
        wait_for(lambda: made.revoked is not None and len(made.revoked) == 1)
        assert made.status(now=time.monotonic()).news == "open"
        made.release()


def test_without_a_thread_it_is_tried_again(working: Courier, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more_threads)
        working.look(now=time.monotonic())
        assert working._thread is None

    arrive(working)

    assert working._thread is not None


def no_more_threads(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_child_begins_anew(issuer: StandIn) -> None:
    with_feed, without = courier(errand(issuer)), courier(errand(issuer, poll_seconds=None))
    before = with_feed.stamp
    flight = with_feed._keys.demand(since=time.monotonic())

    _after_fork()

    assert with_feed.stamp is not before
    assert with_feed._keys.demand(since=time.monotonic()) is not flight
    assert without._thread is None
    flight.result(10)
    wait_for(lambda: issuer.keys_asked == 2)
    for made in (with_feed, without):
        made.release()
