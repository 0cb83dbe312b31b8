"""Batches of the feed as they come in: learnt, missed, refused; the issuer over HTTP is a real server."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from jotgate.errors import Unavailable
from jotgate.guard import batches as batches_module
from jotgate.guard import feedread
from jotgate.guard.batches import ENOUGH_SECONDS, FLOOD, QUIET_SECONDS, Batches
from jotgate.guard.feedread import SILENCE_SECONDS, SYNC_SECONDS, FeedRead
from jotgate.guard.known import SharedSecret
from jotgate.jose import jwk, jwks, new_key
from jotgate.wire import feed
from tests.guard.newsroom import beat, told
from tests.guard.standin import StandIn


class Listening:
    """A reader of the feed, who brings it batches, and what both of them told."""

    def __init__(self, issuer: StandIn, poll_seconds: int = 5) -> None:
        self.issuer = issuer
        self.told: list[bool] = []
        self.woken = 0
        self.keys_wanted = 0
        self.keys: Any = jwks.of(*issuer.keys)
        url = urlsplit(issuer.url)
        self.feed = FeedRead(url, token=None, poll_seconds=poll_seconds, changed=self.told.append, wake=self._wake)
        self.batches = Batches(issuer.url, self.feed, keys=lambda: self.keys, unknown_key=self._want_keys)

    def _wake(self) -> None:
        self.woken += 1

    def _want_keys(self) -> None:
        self.keys_wanted += 1

    def take(self, *messages: bytes) -> None:
        for message in messages:
            self.batches.take(message)

    def knows(self, kind: str, name: str) -> bool:
        return self.feed.revoked.names(feed.digest(self.issuer.url, kind, name))

    def read(self, *, later: float = 0.0) -> float:
        """As the courier does; gives the seconds until it is time again."""
        return self.feed.read(now=time.monotonic() + later)


@pytest.fixture
def listening(issuer: StandIn) -> Iterator[Listening]:
    """The snapshot is read already."""
    made = Listening(issuer)
    made.read()
    made.told.clear()
    yield made
    made.feed.close()
    made.feed.line.close()


# --- what goes on where we are


def test_a_batch_is_learnt_and_nothing_is_asked(issuer: StandIn, listening: Listening) -> None:
    issuer.revoke("sid", "s1")
    issuer.revoke("sub", "ada", epoch=7)

    listening.take(told(issuer, 0), beat(issuer))

    assert listening.knows("sid", "s1")
    assert listening.knows("sub", "ada")
    assert listening.told == [False]
    assert listening.read() > 0
    assert issuer.feed_asked == 1


def test_while_beats_come_nothing_is_asked(issuer: StandIn, listening: Listening) -> None:
    listening.take(beat(issuer))

    assert listening.feed.is_live
    assert 0 < listening.read() <= SILENCE_SECONDS
    assert issuer.feed_asked == 1
    assert (listening.feed.state, listening.feed.problem) == ("open", "")


def test_without_beats_it_is_asked_as_ever(issuer: StandIn, listening: Listening) -> None:
    issuer.revoke("sid", "s1")

    listening.read()

    assert issuer.asked[-1] == "/revocations?after=i1.0&wait=5"
    assert listening.knows("sid", "s1")


def test_when_beats_stop_it_is_asked_after_a_second(issuer: StandIn, listening: Listening) -> None:
    listening.take(beat(issuer))
    issuer.revoke("sid", "s1")

    listening.read(later=SILENCE_SECONDS + 0.1)

    assert issuer.feed_asked == 2
    assert listening.knows("sid", "s1")


def test_once_a_minute_it_is_asked_all_the_same(issuer: StandIn, listening: Listening) -> None:
    issuer.revoke("sid", "s1")
    listening.take(told(issuer, 0), beat(issuer))
    listening.feed._live_until += 1000

    assert listening.read() <= SYNC_SECONDS * 1.25
    listening.feed._sync_at -= SYNC_SECONDS * 1.25
    listening.read()

    assert issuer.asked[-1] == "/revocations?after=i1.0&wait=0"  # batches do not move what it is asked by
    assert listening.read() > SYNC_SECONDS / 2


def test_what_came_already_is_learnt_again(issuer: StandIn, listening: Listening) -> None:
    issuer.revoke("sid", "s1")
    issuer.revoke("sid", "s2")

    listening.take(told(issuer, 0, 2), told(issuer, 0, 1), told(issuer, 1, 2), beat(issuer))

    assert len(listening.feed.revoked) == 2
    assert listening.read() > 0
    assert issuer.feed_asked == 1


def test_the_news_are_as_old_as_the_last_beat_says(issuer: StandIn, listening: Listening) -> None:
    listening.feed.known_at = time.monotonic() - 100

    listening.take(beat(issuer, age=0.5))

    assert time.monotonic() - 20 < listening.feed.known_at <= time.monotonic() - 0.5


# --- what is missing


def test_a_hole_is_filled_at_once(issuer: StandIn, listening: Listening) -> None:
    for name in ("s1", "s2", "s3"):
        issuer.revoke("sid", name)
    listening.take(beat(issuer, 0))

    listening.take(told(issuer, 2))

    assert listening.knows("sid", "s3")  # it counts already
    assert not listening.knows("sid", "s1")
    assert listening.woken == 1
    listening.read()
    assert issuer.asked[-1] == "/revocations?after=i1.0&wait=0"
    assert listening.knows("sid", "s1")
    listening.take(beat(issuer))
    assert listening.read() > 0
    assert issuer.feed_asked == 2


def test_a_beat_from_beyond_shows_a_hole(issuer: StandIn, listening: Listening) -> None:
    listening.take(beat(issuer))
    known_at = listening.feed.known_at
    issuer.revoke("sid", "s1")

    listening.take(beat(issuer))

    assert listening.woken == 1
    assert listening.feed.known_at == known_at
    listening.read()
    assert listening.knows("sid", "s1")


def test_a_hole_that_an_issuer_cannot_fill_yet_is_not_asked_for_all_the_time(
    issuer: StandIn, listening: Listening
) -> None:
    listening.take(beat(issuer), beat(issuer, 5))

    assert listening.read() > 0
    listening.take(beat(issuer, 5, age=0.001))

    assert 0 < listening.read() <= feedread.GAP_SECONDS
    assert issuer.feed_asked == 2


def test_a_node_that_lags_behind_is_no_hole(issuer: StandIn, listening: Listening) -> None:
    issuer.revoke("sid", "s1")
    listening.take(told(issuer, 0), beat(issuer, 0))

    assert listening.woken == 0
    assert listening.feed.is_live


def test_another_life_of_the_feed_is_asked_about(issuer: StandIn, listening: Listening) -> None:
    listening.take(beat(issuer))
    issuer.incarnation, issuer.entries = "i2", []
    issuer.revoke("sid", "s2")

    listening.take(told(issuer, 0))

    assert not listening.knows("sid", "s2")
    listening.read()
    assert listening.knows("sid", "s2")
    listening.take(beat(issuer))
    assert listening.read() > 0


def test_before_the_first_snapshot_nothing_counts(issuer: StandIn) -> None:
    early = Listening(issuer)
    issuer.revoke("sid", "s1")

    early.take(told(issuer, 0), beat(issuer))

    assert not early.knows("sid", "s1")
    assert not early.feed.is_live
    early.read()
    assert early.knows("sid", "s1")
    early.feed.line.close()


def test_what_comes_during_a_snapshot_counts_and_is_asked_for_again(issuer: StandIn) -> None:
    issuer.page_size = 1
    made = Listening(issuer)
    for name in ("s1", "s2"):
        issuer.revoke("sid", name)
    made.read()
    assert not made.knows("sid", "s2")
    issuer.revoke("sid", "s3")

    made.take(told(issuer, 2), beat(issuer))

    assert (made.knows("sid", "s3"), made.feed.is_live) == (True, False)
    for _ in range(2):
        made.read()
    made.take(beat(issuer))
    assert made.feed.is_live
    assert len(made.feed.revoked) == 3
    made.feed.line.close()


def test_a_snapshot_that_is_older_than_a_batch_does_not_make_it_forgotten(
    issuer: StandIn, listening: Listening
) -> None:
    """The issuer makes the page, then the batch; the page comes later."""
    page = feed.encode_page(feed.Page("i1.0", more=False, reset=True, entries=()))
    issuer.revoke("sid", "s1")
    listening.take(told(issuer, 0))
    issuer.feed_answer = (200, {}, page)
    listening.feed.ask()
    assert not listening.knows("sid", "s1")

    issuer.feed_answer = None
    listening.take(beat(issuer))

    assert listening.woken == 1
    listening.read(later=2)
    assert listening.knows("sid", "s1")


def test_while_the_issuer_does_not_answer_beats_keep_the_news_fresh(issuer: StandIn, listening: Listening) -> None:
    issuer.feed_answer = (500, {}, b"")
    listening.feed.ask()
    state = listening.feed.state
    listening.feed.known_at = None

    listening.take(beat(issuer))

    assert (state, listening.feed.state) == ("failing", "open")
    assert listening.feed.problem
    assert listening.feed.known_at is not None


def test_being_alone_is_told_once(issuer: StandIn, listening: Listening) -> None:
    listening.take(beat(issuer))

    listening.feed.alone()
    listening.feed.alone()

    assert (listening.woken, listening.feed.is_live) == (1, False)


# --- beats that are no beats


@pytest.mark.parametrize("age", [1.5, -1.5, 9.0])
def test_a_beat_that_comes_late_or_from_another_clock_keeps_nobody_from_asking(
    issuer: StandIn, listening: Listening, age: float
) -> None:
    known_at = listening.feed.known_at

    listening.take(beat(issuer, age=age))

    assert not listening.feed.is_live
    assert listening.feed.known_at == known_at


def test_many_nodes_are_no_more_work_than_one(issuer: StandIn, listening: Listening) -> None:
    listening.batches.take(beat(issuer, 5), is_beat=True)
    missed = listening.woken
    listening.batches.take(beat(issuer), is_beat=True)
    until = listening.feed._live_until

    listening.batches.take(beat(issuer, 7), is_beat=True)
    listening.batches.take(b"hello", is_beat=True)
    assert (missed, listening.woken, listening.batches.refused) == (1, 1, 0)
    listening.feed._live_until -= ENOUGH_SECONDS
    listening.batches.take(beat(issuer, age=-0.01), is_beat=True)

    assert listening.feed._live_until >= until


def test_an_older_beat_does_not_prolong_a_newer_one(issuer: StandIn, listening: Listening) -> None:
    older, newer = beat(issuer, age=0.5), beat(issuer)
    listening.take(newer)
    until = listening.feed._live_until

    listening.take(older)

    assert listening.feed._live_until == until


# --- keys


def test_a_key_revocation_by_another_key_counts_and_unsays_what_the_key_said(
    issuer: StandIn, listening: Listening
) -> None:
    stolen, next_key = issuer.keys[0], new_key("ES256", "k2")
    listening.keys = jwks.of(stolen, next_key)
    lie = StandIn()
    lie.url, lie.keys = issuer.url, [stolen]
    lie.revoke("sid", "honest")
    listening.take(told(lie, 0))  # it says that it is number 1, and what is number 1 is not missed
    assert listening.knows("sid", "honest")
    issuer.revoke("kid", "k1")
    issuer.keys = [next_key]
    listening.told.clear()

    listening.take(told(issuer, 0))

    assert listening.knows("kid", "k1")
    assert listening.told == [True]
    listening.read()
    assert issuer.asked[-1] == "/revocations?wait=0"
    assert not listening.knows("sid", "honest")
    assert listening.knows("kid", "k1")
    listening.take(told(issuer, 0), beat(issuer))
    assert listening.told[1:] == [True, False]  # with the snapshot; not once more with the batch
    assert listening.read() > 0


def test_a_key_revocation_that_cannot_be_looked_into_now_is_looked_into_later(
    issuer: StandIn, listening: Listening
) -> None:
    listening.keys = jwks.of(*issuer.keys, new_key("ES256", "k2"))
    issuer.revoke("kid", "k2")
    issuer.feed_answer = (500, {}, b"")
    listening.take(told(issuer, 0))
    listening.read()
    issuer.feed_answer = None

    listening.take(beat(issuer))
    listening.read(later=5)

    assert issuer.asked[-1] == "/revocations?wait=0"


def test_a_key_revocation_over_http_unsays_what_came_over_nats(issuer: StandIn, listening: Listening) -> None:
    listening.take(beat(issuer))
    issuer.revoke("kid", "k9")

    listening.feed.ask()
    assert issuer.asked[-1] == "/revocations?after=i1.0&wait=0"
    listening.feed.ask()

    assert issuer.asked[-1] == "/revocations?wait=0"
    assert listening.feed.ask() == feedread.GAP_SECONDS
    assert issuer.asked[-1].startswith("/revocations?after=i1.1")


def test_a_batch_under_a_revoked_key_is_refused(issuer: StandIn, listening: Listening) -> None:
    issuer.revoke("kid", "k1")
    listening.take(told(issuer, 0))
    issuer.revoke("sid", "s1")

    listening.take(told(issuer, 1), beat(issuer))

    assert listening.batches.refused == 2
    assert not listening.knows("sid", "s1")
    assert not listening.feed.is_live


def test_an_unknown_key_is_asked_for(issuer: StandIn, listening: Listening) -> None:
    listening.take(beat(issuer, key=new_key("ES256", "k2")))

    assert (listening.keys_wanted, listening.batches.refused) == (1, 1)
    assert not listening.feed.is_live


def test_without_keys_nothing_is_judged(issuer: StandIn, listening: Listening) -> None:
    listening.keys = None

    listening.take(beat(issuer), b"hello")

    assert (listening.keys_wanted, listening.batches.refused) == (0, 0)
    assert not listening.feed.is_live


def test_a_shared_secret_speaks_for_the_issuer_too(issuer: StandIn, listening: Listening) -> None:
    key = jwk.from_private_bytes("HS256", None, hashlib.sha256(b"gym").digest())
    listening.keys = SharedSecret(key)
    issuer.revoke("sid", "s1")

    listening.take(told(issuer, 0, key=key))

    assert listening.knows("sid", "s1")


# --- who should not speak

NIGHT = 3600.0


@pytest.mark.parametrize(
    "message",
    [
        lambda issuer: told(issuer, 0, key=new_key("ES256", "k1")),
        lambda issuer: told(issuer, 0)[:-10],
        lambda issuer: told(issuer, 0)[:40],
        lambda issuer: told(issuer, 0) * 40,
        lambda issuer: b"",
        lambda issuer: bytes(range(256)) * 4000,
        lambda issuer: issuer.token().encode(),
        lambda issuer: told(issuer, 0, age=NIGHT),
        lambda issuer: told(issuer, 0, age=-NIGHT),
    ],
    ids=["forged", "cut-off", "cut-short", "over-8-KiB", "empty", "noise-of-a-MiB", "token", "old", "early"],
)
def test_what_is_refused_changes_nothing(
    issuer: StandIn,
    listening: Listening,
    message: Callable[[StandIn], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    issuer.revoke("sid", "s1")

    listening.take(message(issuer), message(issuer))

    assert listening.batches.refused == 2
    assert not listening.knows("sid", "s1")
    assert (listening.told, listening.woken) == ([], 0)
    assert len(caplog.records) == 1
    assert "s1" not in caplog.text


def test_the_same_message_again_is_refused_without_a_look(issuer: StandIn, listening: Listening) -> None:
    issuer.revoke("sid", "s1")
    message, beating = told(issuer, 0), beat(issuer)
    listening.take(message, beating)
    until, heard = listening.feed._live_until, listening.feed.revoked.heard

    listening.take(beating, message, beating)

    assert listening.batches.refused == 3
    assert (listening.feed._live_until, listening.feed.revoked.heard) == (until, heard)


def test_what_came_is_remembered_with_a_bound(
    issuer: StandIn, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "_SEEN", 2)
    messages = [beat(issuer, age=number / 1000) for number in range(5)]

    listening.take(*messages, messages[3], messages[2])

    assert listening.batches.refused == 2
    assert len(listening.batches._young | listening.batches._old) == 3


def test_a_flood_is_not_listened_to(issuer: StandIn, listening: Listening, caplog: pytest.LogCaptureFixture) -> None:
    forged = told(issuer, 0, key=new_key("ES256", "k1"))
    listening.take(*[forged] * FLOOD)

    with pytest.raises(Unavailable) as caught:
        listening.take(forged)

    assert caught.value.retry_after == QUIET_SECONDS
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    listening.take(forged, beat(issuer))  # after that, as before
    assert listening.feed.is_live


def test_now_and_then_a_bad_one_is_no_flood(
    issuer: StandIn, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "FLOOD_SECONDS", -1.0)

    listening.take(*[b"hello"] * (FLOOD + 1))

    assert listening.batches.refused == FLOOD + 1


def test_a_child_asks_for_itself(issuer: StandIn, listening: Listening) -> None:
    listening.take(beat(issuer))
    lock, line = listening.feed._lock, listening.feed.line

    listening.feed.after_fork()

    line.close()
    assert not listening.feed.is_live
    assert listening.feed._lock is not lock
