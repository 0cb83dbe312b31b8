"""What was revoked hits what it names, and a snapshot replaces it whole."""

from collections.abc import Sequence

import pytest

from jotgate.errors import ClaimsStale, Revoked
from jotgate.guard import revoked
from jotgate.guard.revoked import Marks
from jotgate.wire.feed import Entry, Page, digest

ISSUER = "https://auth.example.com"
ADA = Marks.of(ISSUER, names=(("sid", "s1"), ("jti", "j1"), ("kid", "k1")), subject="ada", epoch=5)
BARE = Marks.of(ISSUER, names=(("sid", None), ("jti", None), ("kid", "k1")), subject="ada", epoch=None)
BEA = Marks.of(ISSUER, names=(("sid", "s2"), ("jti", "j2"), ("kid", "k2")), subject="bea", epoch=5)


def entry(kind: str, name: str, epoch: int | None = None, until: int = 1000) -> Entry:
    return Entry(kind, digest(ISSUER, kind, name), epoch, until)


def page(*entries: Entry, reset: bool = False, more: bool = False, cursor: str = "i.1") -> Page:
    return Page(cursor, more, reset, entries)


def known(*entries: Entry) -> revoked.Revoked:
    news = revoked.Revoked()
    news.take(page(*entries, reset=True))
    return news


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ([entry("sid", "s1")], Revoked),
        ([entry("jti", "j1")], Revoked),
        ([entry("kid", "k1")], Revoked),
        ([entry("sub", "ada", 6)], ClaimsStale),
        ([entry("sub", "ada", 5)], None),
        ([entry("sub", "ada", 4)], None),
        ([entry("sub", "bob", 6)], None),
        ([entry("sid", "s2")], None),
        ([entry("sid", "j1"), entry("jti", "s1")], None),
        ([entry("later", "s1")], None),
        ([], None),
    ],
)
def test_an_entry_hits_what_it_names(entries: Sequence[Entry], error: type[Exception] | None) -> None:
    news = known(*entries)

    if error is None:
        news.check(ADA)
    else:
        with pytest.raises(error):
            news.check(ADA)


@pytest.mark.parametrize("epoch", [0, 1, 6])
def test_a_token_without_an_epoch_is_below_every_epoch(epoch: int) -> None:
    with pytest.raises(ClaimsStale):
        known(entry("sub", "ada", epoch)).check(BARE)


def test_what_a_token_lacks_is_not_hit() -> None:
    known(entry("sid", "None"), entry("jti", "")).check(BARE)


def test_a_snapshot_in_pages_counts_at_once_and_replaces_what_is_known_with_its_last_page() -> None:
    news = known(entry("sid", "s1"))
    before = news.stamp

    assert not news.take(page(entry("sid", "s2"), reset=True, more=True, cursor="j.1"))
    with pytest.raises(Revoked):
        news.check(ADA)
    with pytest.raises(Revoked):
        news.check(BEA)
    assert news.stamp is not before
    assert not news.take(page(entry("sid", "s3"), more=True, cursor="j.2"))
    with pytest.raises(Revoked):
        news.check(ADA)
    assert news.take(page(cursor="j.3"))

    news.check(ADA)
    with pytest.raises(Revoked):
        news.check(BEA)
    assert len(news) == 2
    assert news.cursor == "j.3"


def test_a_snapshot_that_breaks_off_is_replaced_by_the_next_one() -> None:
    news = known(entry("sid", "s1"))

    news.take(page(entry("sid", "s2"), reset=True, more=True, cursor="j.1"))
    news.take(page(entry("sid", "s3"), reset=True, cursor="k.1"))

    assert len(news) == 1
    news.check(ADA)
    news.check(BEA)


def test_an_epoch_of_another_life_does_not_outlive_its_snapshot() -> None:
    """A restored database may count from an earlier epoch: its new tokens are good."""
    news = known(entry("sub", "ada", 9))

    news.take(page(entry("sub", "ada", 4), reset=True, cursor="j.1"))

    news.check(ADA)


def test_what_was_good_is_checked_by_the_news_since_then() -> None:
    news = known(entry("sid", "s9"))
    news.check(ADA)
    heard = news.heard

    news.take(page(entry("sid", "s8"), cursor="i.2"))
    news.check_again(ADA, heard=heard)
    news.take(page(entry("sub", "ada", 5), cursor="i.3"))
    news.check_again(ADA, heard=heard)
    news.take(page(entry("jti", "j1"), cursor="i.4"))

    with pytest.raises(Revoked):
        news.check_again(ADA, heard=heard)


@pytest.mark.parametrize("more", [0, 1, 3])
def test_what_is_not_at_hand_any_more_is_looked_for_in_all(more: int) -> None:
    news = known(entry("sid", "s9"))
    heard = news.heard
    many = tuple(entry("sid", f"other{number}") for number in range(revoked.RECENT + 1))

    news.take(page(entry("sid", "s1"), cursor="i.2"))
    news.take(page(*many, cursor="i.3"))
    for number in range(more):
        news.take(page(entry("sid", f"late{number}"), cursor=f"i.{4 + number}"))

    with pytest.raises(Revoked):
        news.check_again(ADA, heard=heard)
    news.check_again(BEA, heard=heard)
    news.check_again(BEA, heard=news.heard)
    assert len(news._recent[1]) == more


def test_the_stamp_changes_with_the_news_and_only_with_them() -> None:
    news = known(entry("sid", "s1"))
    before = news.stamp

    news.take(page(cursor="i.2"))
    assert news.stamp is before
    news.take(page(entry("sid", "s2"), more=True, cursor="i.3"))

    assert news.stamp is not before
    assert len(news) == 2


@pytest.mark.parametrize(("now", "left"), [(999, 1), (1000, 0)])
def test_an_entry_is_forgotten_when_its_tokens_have_expired(now: int, left: int) -> None:
    news = known(entry("sid", "s1", until=1000))

    news.forget(now=now)

    assert len(news) == left
