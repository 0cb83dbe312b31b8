"""Reading the feed of a real server, one question at a time."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from urllib.parse import urlsplit

import pytest

from jotgate.guard import feedread
from jotgate.guard.feedread import FeedRead
from jotgate.guard.keycache import BACKOFF_SECONDS
from jotgate.wire import feed
from tests.guard.standin import Answer, StandIn


class Reading:
    """A reader and what it told."""

    def __init__(self, standin: StandIn, token: str | None = None, poll_seconds: int = 5) -> None:
        self.told: list[bool] = []
        self.feed = FeedRead(urlsplit(standin.url), token=token, poll_seconds=poll_seconds, changed=self.told.append)


@pytest.fixture
def reading(issuer: StandIn) -> Iterator[Reading]:
    made = Reading(issuer)
    yield made
    made.feed.close()
    made.feed.line.close()


def knows(reader: FeedRead, standin: StandIn, kind: str, name: str) -> bool:
    return reader.revoked._known.epoch(feed.digest(standin.url, kind, name)) is not None


def test_the_first_answer_is_the_snapshot(issuer: StandIn, reading: Reading) -> None:
    issuer.revoke("sid", "s1")

    pause = reading.feed.ask()

    assert pause == 0
    assert knows(reading.feed, issuer, "sid", "s1")
    assert (reading.feed.state, reading.feed.first.done()) == ("open", True)
    assert reading.told == [False]
    assert issuer.asked == ["/revocations?wait=0"]


def test_the_next_question_waits_for_news(issuer: StandIn, reading: Reading) -> None:
    reading.feed.ask()
    issuer.revoke("sid", "s1")

    assert reading.feed.ask() == 0

    assert issuer.asked[-1] == "/revocations?after=i1.0&wait=5"
    assert knows(reading.feed, issuer, "sid", "s1")


def test_a_revoked_key_is_told(issuer: StandIn, reading: Reading) -> None:
    issuer.revoke("kid", "k1")

    reading.feed.ask()

    assert reading.told == [True]


def test_a_snapshot_in_pages_is_complete_with_the_last_one(issuer: StandIn, reading: Reading) -> None:
    issuer.page_size = 2
    for number in range(5):
        issuer.revoke("sid", f"s{number}")

    states = []
    for _ in range(3):
        assert reading.feed.ask() == 0
        states.append((reading.feed.state, reading.feed.first.done(), len(reading.feed.revoked)))

    assert states == [("waiting", False, 2), ("waiting", False, 4), ("open", True, 5)]


def test_a_snapshot_whose_last_page_is_empty_is_told_too(issuer: StandIn, reading: Reading) -> None:
    issuer.revoke("sid", "s1")
    entry = issuer.entries[0]
    for page in (feed.Page("i1.1", True, True, (entry,)), feed.Page("i1.1", False, False, ())):
        reading.told.clear()
        issuer.feed_answer = (200, {}, feed.encode_page(page))
        reading.feed.ask()

    assert knows(reading.feed, issuer, "sid", "s1")
    assert reading.told == [False]


def test_another_life_of_the_feed_starts_over(issuer: StandIn, reading: Reading) -> None:
    issuer.revoke("sid", "s1")
    reading.feed.ask()

    issuer.incarnation, issuer.entries = "i2", []
    issuer.revoke("sid", "s2")
    reading.feed.ask()

    assert not knows(reading.feed, issuer, "sid", "s1")
    assert knows(reading.feed, issuer, "sid", "s2")


def test_the_token_for_the_feed_is_sent(issuer: StandIn) -> None:
    made = Reading(issuer, token="opensesame")

    made.feed.ask()
    made.feed.line.close()

    assert issuer.authorizations == ["Bearer opensesame"]


def test_an_issuer_without_a_feed_is_asked_once_a_minute(issuer: StandIn, reading: Reading) -> None:
    issuer.feed_answer = (404, {}, b"")

    assert reading.feed.ask() == 60
    assert (reading.feed.state, reading.feed.first.done(), reading.feed.known_at) == ("absent", True, None)


def test_a_feed_that_comes_after_all_is_read(issuer: StandIn, reading: Reading) -> None:
    issuer.feed_answer = (404, {}, b"")
    reading.feed.ask()
    issuer.feed_answer = None
    issuer.revoke("sid", "s1")

    reading.feed.read(now=time.monotonic() + 60)

    assert knows(reading.feed, issuer, "sid", "s1")
    assert reading.feed.state == "open"


def test_a_feed_that_was_there_is_missed(issuer: StandIn, reading: Reading) -> None:
    reading.feed.ask()
    issuer.feed_answer = (404, {}, b"")

    assert reading.feed.ask() <= BACKOFF_SECONDS[0]
    assert reading.feed.state == "failing"


def test_pages_without_end_and_entries_are_asked_for_slowly(issuer: StandIn, reading: Reading) -> None:
    issuer.feed_answer = (200, {}, feed.encode_page(feed.Page("i1.0", True, False, ())))

    assert reading.feed.ask() == 1


def test_it_is_asked_when_it_is_time(issuer: StandIn, reading: Reading) -> None:
    issuer.feed_answer = (404, {}, b"")

    for later in (0, 1, 40):
        assert reading.feed.read(now=time.monotonic() + later) == pytest.approx(60, abs=20)
    assert issuer.feed_asked == 1
    reading.feed.read(now=time.monotonic() + 60)

    assert issuer.feed_asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        (401, {}, b""),
        (500, {}, b"oops"),
        (503, {"retry-after": "1"}, b""),
        (302, {"location": "https://feed.example.com/"}, b""),
        (200, {}, b""),
        (200, {}, b"<!doctype html>"),
        (200, {}, b'{"next": "i1.0", "more": false, "reset": true, "entries": [["sid", "short", null, 1]]}'),
        (200, {}, b" " * (3 << 20)),
    ],
)
def test_a_bad_answer_changes_nothing_and_is_reported(
    issuer: StandIn, reading: Reading, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.revoke("sid", "s1")
    reading.feed.ask()
    known_at = reading.feed.known_at

    issuer.feed_answer = answer
    pauses = [reading.feed.ask() for _ in range(3)]

    assert knows(reading.feed, issuer, "sid", "s1")
    assert (reading.feed.state, reading.feed.known_at) == ("failing", known_at)
    assert reading.feed.problem
    for pause, longest in zip(pauses, BACKOFF_SECONDS, strict=False):
        assert longest / 2 <= pause <= longest
    assert len(caplog.records) == 1


def test_after_a_failure_it_reads_on_where_it_was(issuer: StandIn, reading: Reading) -> None:
    reading.feed.ask()
    issuer.feed_answer = (500, {}, b"")
    reading.feed.ask()

    issuer.feed_answer = None
    issuer.revoke("sid", "s1")
    reading.feed.ask()

    assert knows(reading.feed, issuer, "sid", "s1")
    assert (reading.feed.state, reading.feed.problem) == ("open", "")


def test_a_feed_that_never_waits_is_not_asked_all_the_time(
    issuer: StandIn, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedread, "HASTE_SECONDS", 20.0)  # however slow this machine is today
    reading.feed.ask()
    issuer.feed_answer = 200, {}, feed.encode_page(feed.Page("i1.0", more=False, reset=False, entries=()))

    assert reading.feed.ask() == 20.0


def test_closing_is_no_failure_to_report(reading: Reading, caplog: pytest.LogCaptureFixture) -> None:
    reading.feed.close()

    reading.feed.ask()

    assert reading.feed.state == "failing"
    assert caplog.records == []


def test_entries_are_forgotten_now_and_then(issuer: StandIn, reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer.revoke("sid", "s1", until=int(time.time()) + 1000)
    issuer.revoke("sid", "s2", until=int(time.time()) - 1)
    reading.feed.ask()
    assert len(reading.feed.revoked) == 2

    monkeypatch.setattr(reading.feed, "_forget_at", 0.0)
    issuer.revoke("sid", "s3")
    reading.feed.ask()

    assert len(reading.feed.revoked) == 2
    assert not knows(reading.feed, issuer, "sid", "s2")
    assert reading.feed._forget_at > time.monotonic() + feedread.FORGET_SECONDS - 20


@pytest.mark.parametrize("asked", [False, True])
def test_a_child_waits_for_its_own_first_news(issuer: StandIn, reading: Reading, *, asked: bool) -> None:
    if asked:
        reading.feed.ask()
    line, first = reading.feed.line, reading.feed.first

    reading.feed.after_fork()

    assert reading.feed.line is not line
    assert (reading.feed.first is first) is asked
    assert isinstance(reading.feed.first, Future)
    line.close()
