"""The life of keys, and their seal."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.keyring import (
    Change,
    Forget,
    Keyring,
    Promote,
    Publish,
    Retire,
    due,
    gone_at,
    longest_ttl,
    published,
    seal,
    signing,
    unseal,
)
from jotgate.core.model import StoredKey
from jotgate.core.policy import Policy, policy_for
from jotgate.core.refresh_token import MacKey
from jotgate.errors import SecretMismatch
from jotgate.jose import jwks
from jotgate.jose.keygen import new_key

NOW = 1_800_000_000
HOUR, DAY = 3600, 86400
POLICY = policy_for("https://auth.example.com")
SECRET = policy_for("https://auth.example.com", "classic")


def key(kid: str, *, published_at: int = NOW, alg: str = "ES256", **stamps: int) -> StoredKey:
    return StoredKey(kid, alg, "{}", b"", created_at=published_at, published_at=published_at, **stamps)


def carried_out(keys: Iterable[StoredKey], changes: Iterable[Change], *, now: int) -> tuple[StoredKey, ...]:
    """What the store holds afterwards."""
    by_kid = {one.kid: one for one in keys}
    for change in changes:
        match change:
            case Publish(alg, sign):
                kid = f"k{len(by_kid)}"
                by_kid[kid] = key(kid, published_at=now, alg=alg)
                if sign:
                    by_kid[kid] = replace(by_kid[kid], signing_at=now, longest_ttl=900)
            case Promote(kid):
                by_kid[kid] = replace(by_kid[kid], signing_at=now, longest_ttl=900)
            case Retire(kid):
                by_kid[kid] = replace(by_kid[kid], retiring_at=now)
            case Forget(kid):
                by_kid[kid] = replace(by_kid[kid], gone_at=now)
    return tuple(by_kid.values())


SIGNING = key("old", published_at=NOW - 100 * DAY, signing_at=NOW - 90 * DAY, longest_ttl=900)
NEXT = key("new", published_at=NOW - HOUR)


def test_the_first_start_makes_a_key_that_signs_and_the_next_one() -> None:
    assert due((), now=NOW, policy=POLICY) == (Publish("ES256", sign=True), Publish("ES256"))


def test_the_next_takes_over_after_the_interval_and_another_next_is_published() -> None:
    assert due((SIGNING, NEXT), now=NOW, policy=POLICY) == (Promote("new"), Publish("ES256"), Retire("old"))


@pytest.mark.parametrize(
    ("keys", "now"),
    [
        ((SIGNING, NEXT), NOW - 1),  # the interval is not over, nor the lead
        ((SIGNING, key("new", published_at=NOW - HOUR + 1)), NOW),  # the lead is not over
        ((replace(SIGNING, signing_at=NOW - 90 * DAY + 1), NEXT), NOW),  # the interval is not over
        ((SIGNING, key("new", published_at=NOW + 60)), NOW),  # another node's clock
    ],
)
def test_a_second_earlier_nothing_is_due(keys: tuple[StoredKey, ...], now: int) -> None:
    assert due(keys, now=now, policy=POLICY) == ()


def test_a_missing_next_is_published_and_does_not_sign() -> None:
    assert due((SIGNING,), now=NOW, policy=POLICY) == (Publish("ES256"),)


RETIRING = replace(key("older", signing_at=NOW - 10 * DAY), retiring_at=NOW, longest_ttl=900)
YOUNG = replace(SIGNING, signing_at=NOW)


@pytest.mark.parametrize(("after", "changes"), [(900 + 60 + 119, ()), (900 + 60 + 120, (Forget("older"),))])
def test_a_retiring_key_is_forgotten_when_its_last_token_has_expired_everywhere(
    after: int, changes: tuple[Change, ...]
) -> None:
    assert due((RETIRING, YOUNG, NEXT), now=NOW + after, policy=POLICY) == changes
    assert gone_at(RETIRING) == NOW + 1080


def test_the_key_after_a_revoked_one_signs_at_once() -> None:
    revoked = replace(SIGNING, revoked_at=NOW)

    assert due((revoked, key("new")), now=NOW, policy=POLICY) == (Promote("new"), Publish("ES256"))


def test_with_every_key_revoked_a_new_one_signs_at_once() -> None:
    revoked = tuple(replace(one, revoked_at=NOW) for one in (SIGNING, NEXT))

    assert due(revoked, now=NOW, policy=POLICY) == (Publish("ES256", sign=True), Publish("ES256"))


def test_of_two_signing_keys_the_newest_stays() -> None:
    one, other = key("a", signing_at=NOW - 2), key("b", signing_at=NOW - 1)

    assert signing((one, other)) == other
    assert due((one, other, NEXT), now=NOW, policy=POLICY) == (Retire("a"),)


def test_of_two_nexts_the_oldest_takes_over() -> None:
    keys = (SIGNING, NEXT, key("b", published_at=NOW - 2 * HOUR))

    assert due(keys, now=NOW, policy=POLICY) == (Promote("b"), Retire("old"))


# --- another algorithm


def test_a_new_algorithm_publishes_its_next_and_signs_after_the_lead() -> None:
    policy = replace(POLICY, algorithm="EdDSA")
    keys: tuple[StoredKey, ...] = (replace(SIGNING, signing_at=NOW), replace(NEXT, published_at=NOW))

    first = due(keys, now=NOW, policy=policy)
    keys = carried_out(keys, first, now=NOW)

    assert first == (Publish("EdDSA"), Forget("new"))
    assert due(keys, now=NOW + HOUR - 1, policy=policy) == ()
    assert due(keys, now=NOW + HOUR, policy=policy) == (Promote("k2"), Publish("EdDSA"), Retire("old"))


def test_a_secret_takes_over_at_once_and_has_no_next() -> None:
    assert due((), now=NOW, policy=SECRET) == (Publish("HS256", sign=True),)
    one = key("s1", alg="HS256", signing_at=NOW)
    assert due((one,), now=NOW + 1000 * DAY, policy=SECRET) == ()
    assert due((one, key("s2", alg="HS256")), now=NOW, policy=SECRET) == (Promote("s2"), Retire("s1"))


@pytest.mark.parametrize(
    ("keys", "policy", "changes"),
    [
        ((SIGNING, NEXT), SECRET, (Publish("HS256", sign=True), Forget("old"), Forget("new"))),
        (
            (key("s", alg="HS256", signing_at=NOW),),
            POLICY,
            (Publish("ES256", sign=True), Publish("ES256"), Forget("s")),
        ),
        (
            (SIGNING, NEXT, key("s", alg="HS256")),
            SECRET,
            (Promote("s"), Forget("old"), Forget("new")),
        ),
    ],
)
def test_secrets_and_key_pairs_never_share_a_set(
    keys: tuple[StoredKey, ...], policy: Policy, changes: tuple[Change, ...]
) -> None:
    assert due(keys, now=NOW, policy=policy) == changes


# --- whole lives

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([1, 60, HOUR - 1, HOUR, DAY, 30 * DAY, 90 * DAY, 400 * DAY]),
        st.sampled_from(["", "", "", "revoke", "ES256", "EdDSA", "HS256"]),
    ),
    max_size=30,
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(EVENTS)
def test_through_any_life_one_key_signs_one_is_next_and_no_token_is_cut_short(events: list[tuple[int, str]]) -> None:
    policy, now = POLICY, NOW
    keys = carried_out((), due((), now=now, policy=policy), now=now)
    for wait, event in events:
        now += wait
        if event == "revoke":
            keys = tuple(replace(one, revoked_at=now) if one == signing(keys) else one for one in keys)
        elif event:
            policy = replace(policy, algorithm=event)

        changes = due(keys, now=now, policy=policy)
        kept_by_family = {one.kid for one in keys if one.alg.startswith("HS") is policy.symmetric}
        for change in changes:
            if isinstance(change, Forget) and change.kid in kept_by_family:
                forgotten = next(one for one in keys if one.kid == change.kid)
                assert forgotten.signing_at is None or now >= gone_at(forgotten)
            if isinstance(change, Promote) and signing(keys) is not None and not policy.symmetric:
                lead = now - next(one.published_at for one in keys if one.kid == change.kid)
                assert lead >= HOUR or signing(keys).alg.startswith("HS")  # type: ignore[union-attr]  # just checked
        keys = carried_out(keys, changes, now=now)

        live = published(keys)
        assert due(keys, now=now, policy=policy) == ()
        assert sum(one.signing_at is not None and one.retiring_at is None for one in live) == 1
        assert sum(one.signing_at is None for one in live) == (0 if policy.symmetric else 1)
        assert len({one.alg.startswith("HS") for one in live}) == 1


# --- what is asked of stored keys


def test_published_are_next_signing_and_retiring() -> None:
    gone = key("gone", gone_at=NOW)
    revoked = key("revoked", revoked_at=NOW)

    assert published((SIGNING, gone, NEXT, revoked, RETIRING)) == (SIGNING, NEXT, RETIRING)


def test_nothing_signs_where_nothing_can() -> None:
    assert signing((NEXT, RETIRING, replace(SIGNING, revoked_at=NOW))) is None


def test_the_longest_life_is_that_of_any_live_key() -> None:
    long = replace(RETIRING, longest_ttl=7200)

    assert longest_ttl((), POLICY) == 900
    assert longest_ttl((long, SIGNING), POLICY) == 7200
    assert longest_ttl((replace(long, gone_at=NOW), SIGNING), POLICY) == 900


def test_the_current_mac_key_is_one_of_the_ring() -> None:
    mac, own = MacKey(2, b"m" * 32), new_key("ES256")

    ring = Keyring(own, jwks.of(own), {1: MacKey(1, b"o" * 32), 2: mac}, 2, version=1)

    assert ring.mac is mac
    assert "mmmm" not in repr(ring)


# --- sealing

MASTER = b"m" * 32
NONCE = bytes(range(12))
BLOB = seal(MASTER, b"private", kind="signing key", name="k1", nonce=NONCE)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20), st.binary(min_size=12, max_size=12))
def test_what_was_sealed_is_unsealed(plain: bytes, kind: str, name: str, nonce: bytes) -> None:
    blob = seal(MASTER, plain, kind=kind, name=name, nonce=nonce)

    assert unseal(MASTER, blob, kind=kind, name=name) == plain


@pytest.mark.parametrize(
    ("master", "kind", "name"),
    [(b"x" * 32, "signing key", "k1"), (MASTER, "mac key", "k1"), (MASTER, "signing key", "k2")],
)
def test_another_secret_or_another_row_does_not_open(master: bytes, kind: str, name: str) -> None:
    with pytest.raises(SecretMismatch, match=name):
        unseal(master, BLOB, kind=kind, name=name)


@pytest.mark.parametrize("bit", range(8 * len(BLOB)))
def test_any_bit_flipped_is_found(bit: int) -> None:
    damaged = bytearray(BLOB)
    damaged[bit // 8] ^= 1 << bit % 8

    with pytest.raises(SecretMismatch):
        unseal(MASTER, bytes(damaged), kind="signing key", name="k1")


@pytest.mark.parametrize("length", range(len(BLOB)))
def test_any_part_of_a_blob_is_damage(length: int) -> None:
    with pytest.raises(SecretMismatch):
        unseal(MASTER, BLOB[:length], kind="signing key", name="k1")


def test_the_blob_shows_nothing_of_what_is_in_it() -> None:
    assert b"private" not in BLOB
    assert BLOB[:13] == b"\x01" + NONCE
