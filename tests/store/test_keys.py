"""Keys at rest, on every store."""

from typing import Any

import pytest

from jotgate.store import keys
from jotgate.store.ports import Store
from tests.store.rows import NOW, mac_key, signing_key

pytestmark = pytest.mark.anyio

EVERY_STATE: dict[str, Any] = {
    "sealed": b"anew",
    "published_at": NOW + 1,
    "signing_at": NOW + 2,
    "retiring_at": NOW + 3,
    "gone_at": NOW + 4,
    "longest_ttl": 900,
    "revoked_at": NOW + 5,
}


async def test_signing_keys_come_back_oldest_first(store: Store) -> None:
    old, new = signing_key("k9"), signing_key("k1", created_at=NOW + 1, **EVERY_STATE)

    async with store.begin() as tx:
        await keys.put_signing(tx, new)
        await keys.put_signing(tx, old)

    assert await keys.signing(store.read()) == (old, new)


async def test_putting_a_signing_key_again_changes_its_state(store: Store) -> None:
    changed = signing_key(**EVERY_STATE)

    async with store.begin() as tx:
        await keys.put_signing(tx, signing_key())
        await keys.put_signing(tx, changed)

    assert await keys.signing(store.read()) == (changed,)


async def test_mac_keys_come_back_and_change(store: Store) -> None:
    old, new = mac_key(2**32 - 1), mac_key(7, created_at=NOW + 1)
    retired = mac_key(2**32 - 1, sealed=b"anew", retired_at=NOW + 2)

    async with store.begin() as tx:
        await keys.put_mac(tx, new)
        await keys.put_mac(tx, old)
        await keys.put_mac(tx, retired)

    assert await keys.macs(store.read()) == (retired, new)


async def test_removed_keys_are_gone(store: Store) -> None:
    async with store.begin() as tx:
        await keys.put_signing(tx, signing_key())
        await keys.put_mac(tx, mac_key())

        assert await keys.remove_signing(tx, "k1")
        assert not await keys.remove_signing(tx, "k1")
        assert await keys.remove_mac(tx, 1)
        assert not await keys.remove_mac(tx, 1)

    assert await keys.signing(store.read()) == ()
    assert await keys.macs(store.read()) == ()


async def test_the_version_counts_changes(store: Store) -> None:
    before = await keys.version(store.read())

    async with store.begin() as tx:
        assert await keys.bump(tx) == before + 1
        assert await keys.bump(tx) == before + 2

    assert await keys.version(store.read()) == before + 2


async def test_the_check_of_the_secret_is_kept(store: Store) -> None:
    assert await keys.secret_check(store.read()) is None

    async with store.begin() as tx:
        await keys.set_secret_check(tx, b"sealed")

    assert await keys.secret_check(store.read()) == b"sealed"
