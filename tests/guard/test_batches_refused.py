"""Batches of the feed by keys that are revoked, unknown or stolen, and what is refused whoever says it."""

import hashlib
import logging
from collections.abc import Callable

import pytest

from jotgate.errors import Unavailable
from jotgate.guard import batches as batches_module
from jotgate.guard import feedread
from jotgate.guard.batches import FLOOD, QUIET_SECONDS
from jotgate.guard.known import SharedSecret
from jotgate.jose import jwk, jwks, new_key
from tests.guard.newsroom import Listening, beat, told
from tests.guard.standin import StandIn

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
