"""A guard that listens to a real NATS server, which goes away, hangs, comes back, and carries lies."""

import signal
import time
from collections.abc import Iterator

import pytest

from jotgate.guard import natsfeed
from jotgate.guard.batches import FLOOD
from jotgate.guard.guard import Guard
from jotgate.jose import jwks, new_key
from jotgate.wire import feedbatch
from tests.guard.conftest import Guards
from tests.guard.listeners import beating, courier_of, is_live, is_refused, listens
from tests.guard.newsroom import Press, beat, press, told
from tests.guard.standin import StandIn, wait_for
from tests.servers.nats import Nats, running_nats, server_url

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
