"""Batches of the feed that fit, that come too late, or that something is missing before; HTTP is a real server's."""

import time

import pytest

from jotgate.guard import feedread
from jotgate.guard.batches import ENOUGH_SECONDS
from jotgate.guard.feedread import SILENCE_SECONDS, SYNC_SECONDS
from jotgate.wire import feed
from tests.guard.newsroom import Listening, beat, told
from tests.guard.standin import StandIn

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
