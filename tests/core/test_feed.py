"""What the feed is told."""

from jotgate.core.feed import key_revoked, sessions_closed, token_revoked, until, user_changed
from jotgate.wire.feed import Entry, digest

ISSUER = "https://auth.example.com"
NOW = 1_800_000_000


def test_an_entry_outlives_every_access_token_at_every_guard() -> None:
    assert until(now=NOW, longest_ttl=900) == NOW + 900 + 60 + 120


def test_closing_sessions_gives_one_entry_each() -> None:
    entries = sessions_closed(ISSUER, ["a", "b"], now=NOW, longest_ttl=900)

    assert entries == (
        Entry("sid", digest(ISSUER, "sid", "a"), None, NOW + 1080),
        Entry("sid", digest(ISSUER, "sid", "b"), None, NOW + 1080),
    )


def test_a_change_of_a_user_carries_the_epoch() -> None:
    entry = user_changed(ISSUER, "u", NOW + 5, now=NOW, longest_ttl=3600)

    assert entry == Entry("sub", digest(ISSUER, "sub", "u"), NOW + 5, NOW + 3780)


def test_a_revoked_token_is_one_entry() -> None:
    assert token_revoked(ISSUER, "t", now=NOW, longest_ttl=60) == Entry(
        "jti", digest(ISSUER, "jti", "t"), None, NOW + 240
    )


def test_a_revoked_key_is_remembered_for_a_year_because_a_thief_can_sign_at_any_time() -> None:
    entry = key_revoked(ISSUER, "k", now=NOW)

    assert entry == Entry("kid", digest(ISSUER, "kid", "k"), None, NOW + 366 * 86400)
