"""Keys at rest: signing keys and MAC keys, sealed under the master secret; a version says when to look again."""

from jotgate.core.model import StoredKey, StoredMacKey
from jotgate.store.ports import Tx

_SIGNING = (
    """kid, alg, public, sealed, created_at, published_at, signing_at, retiring_at, gone_at, longest_ttl, revoked_at"""
)
_MAC = "id, sealed, created_at, retired_at"


async def signing(tx: Tx) -> tuple[StoredKey, ...]:
    """Every signing key, oldest first."""
    rows = await tx.all(f"select {_SIGNING} from signing_keys order by created_at, kid")
    return tuple(StoredKey(*row) for row in rows)


async def put_signing(tx: Tx, key: StoredKey) -> None:
    """A new signing key, or the new state of one."""
    await tx.run(
        f"""insert into signing_keys ({_SIGNING}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (kid) do update set sealed = excluded.sealed, published_at = excluded.published_at,
        signing_at = excluded.signing_at, retiring_at = excluded.retiring_at, gone_at = excluded.gone_at,
        longest_ttl = excluded.longest_ttl, revoked_at = excluded.revoked_at""",
        key.kid,
        key.alg,
        key.public,
        key.sealed,
        key.created_at,
        key.published_at,
        key.signing_at,
        key.retiring_at,
        key.gone_at,
        key.longest_ttl,
        key.revoked_at,
    )


async def remove_signing(tx: Tx, kid: str) -> bool:
    """Forget a signing key; False when there was none."""
    return bool(await tx.run("delete from signing_keys where kid = ?", kid))


async def macs(tx: Tx) -> tuple[StoredMacKey, ...]:
    """Every MAC key, oldest first."""
    rows = await tx.all(f"select {_MAC} from mac_keys order by created_at, id")
    return tuple(StoredMacKey(*row) for row in rows)


async def put_mac(tx: Tx, key: StoredMacKey) -> None:
    """A new MAC key, or the new state of one."""
    await tx.run(
        f"""insert into mac_keys ({_MAC}) values (?, ?, ?, ?)
        on conflict (id) do update set sealed = excluded.sealed, retired_at = excluded.retired_at""",
        key.id,
        key.sealed,
        key.created_at,
        key.retired_at,
    )


async def remove_mac(tx: Tx, key_id: int) -> bool:
    """Forget a MAC key: its refresh tokens die. False when there was none."""
    return bool(await tx.run("delete from mac_keys where id = ?", key_id))


async def version(tx: Tx) -> int:
    """Changes whenever a key does."""
    row = await tx.one("select keyring_version from installation where id = 1")
    return 0 if row is None else int(row[0])


async def hold(tx: Tx) -> int:
    """The version, and that nobody changes a key before the end of this transaction."""
    row = await tx.one(f"select keyring_version from installation where id = 1{tx.shared}")
    return 0 if row is None else int(row[0])


async def bump(tx: Tx) -> int:
    """The next version: first in each transaction that changes a key, so that two such never cross."""
    row = await tx.one(
        "update installation set keyring_version = keyring_version + 1 where id = 1 returning keyring_version"
    )
    return 0 if row is None else int(row[0])


async def secret_check(tx: Tx) -> bytes | None:
    """Something sealed under the master secret, to tell early that it fits; None in a new database."""
    row = await tx.one("select secret_check from installation where id = 1")
    return None if row is None else row[0]


async def set_secret_check(tx: Tx, sealed: bytes) -> None:
    """Replace it: at the first start and when the master secret changes."""
    await tx.run("update installation set secret_check = ? where id = 1", sealed)
