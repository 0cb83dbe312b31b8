"""Restore: what must be true of an installation that goes back to an earlier moment, before anybody works on it.

    what lived then                 afterwards
    ---------------                 ----------
    the feed                        another incarnation: guards start over with the whole snapshot
    signing keys                    revoked, and the feed says so: no access token from before counts, whoever had it;
                                    one that was stolen and revoked after the backup does not sign again
    a key shared with guards        stays (only the operator can change it): the feed makes its tokens stale
    epochs                          raised: nothing that was said of a user's tokens hits new ones
    sessions                        closed, unless they are to be kept
    set-up links                    void

Sessions that are kept are as the backup knew them: who was logged out after it is logged in again. Their refresh tokens
rotate from where they are, by at most 100 generations (`core/rotation.py`).
"""

from dataclasses import dataclass, replace

from jotgate.core import keyring
from jotgate.core.feed import key_revoked, user_changed
from jotgate.core.model import StoredKey
from jotgate.core.policy import is_symmetric
from jotgate.flows import vault
from jotgate.flows.env import Env
from jotgate.store import audit, feed, keys, restores, setup, users
from jotgate.store.ports import Tx
from jotgate.store.restores import Restore
from jotgate.wire.feed import Entry

_INCARNATION_BYTES = 8


@dataclass(frozen=True, slots=True)
class Replaced:
    """What must not be forgotten of the database that the backup takes the place of."""

    version: int = 0  # of its keys: processes that run would take the same one for no change
    keys: tuple[str, ...] = ()  # that were published there
    revoked: tuple[Entry, ...] = ()  # what its feed said of keys


async def replaced(tx: Tx, *, now: int) -> Replaced:
    """Read it from the database that is about to go."""
    published = [key.kid for key in _pairs(await keys.signing(tx))]
    return Replaced(await keys.version(tx), tuple(published), await restores.revoked_keys(tx, now))


async def revive(
    env: Env, *, before: Replaced | None = None, keep_sessions: bool = False, actor: str | None = None
) -> Restore:
    """Make it so, in one transaction; what was done. The keys that are missing then are `keys.load`'s to make.

    Raises `SecretMismatch` when the master secret is not the backup's.
    """
    now = int(env.clock())
    incarnation = env.entropy(_INCARNATION_BYTES).hex()
    gone = before or Replaced()

    async def change(tx: Tx) -> Restore:
        await restores.bump_beyond(tx, max(now, gone.version))
        await vault.master_of(env, tx)
        earlier = await restores.last(tx)
        done = Restore(
            restored_at=max(now, earlier.restored_at + 1 if earlier else 0),
            backed_up_at=await restores.backed_up_at(tx),
            sessions_closed=0 if keep_sessions else await restores.close_sessions(tx, now),
            sessions_kept=await restores.count_open(tx, now),
            keys_revoked=await _revoke(env, tx, gone, now=now),
        )
        await restores.raise_epochs(tx, now)
        await _make_stale(env, tx, now=now)
        await feed.reincarnate(tx, incarnation)
        await setup.clear(tx)
        await restores.mark_backup(tx, None)
        await restores.note(tx, done)
        await audit.append(tx, "restored", now=now, actor=actor, detail=f"backup of {done.backed_up_at}")
        return done

    done = await env.store.write(change)
    await env.store.write(feed.sequence)
    return done


async def _revoke(env: Env, tx: Tx, gone: Replaced, *, now: int) -> tuple[str, ...]:
    """Every pair of keys, those too that only the replaced database knew; their names, oldest first."""
    live = _pairs(await keys.signing(tx))
    for key in live:
        await keys.put_signing(tx, replace(key, revoked_at=now, gone_at=now, sealed=b""))
    kids = tuple(dict.fromkeys((*(key.kid for key in live), *gone.keys)))
    await feed.append(tx, (key_revoked(env.issuer, kid, now=now) for kid in kids))
    known = {entry.digest for entry in await restores.revoked_keys(tx, now)}
    await feed.append(tx, (entry for entry in gone.revoked if entry.digest not in known))
    return kids


async def _make_stale(env: Env, tx: Tx, *, now: int) -> None:
    """Where guards share the key, each user's tokens from before."""
    live = keyring.published(await keys.signing(tx))
    if not live or not env.policy.revocation:
        return
    longest_ttl = keyring.longest_ttl(live, env.policy)
    page = await users.page(tx)
    while page:
        await feed.append(
            tx, (user_changed(env.issuer, user.id, user.epoch, now=now, longest_ttl=longest_ttl) for user in page)
        )
        page = await users.page(tx, after=page[-1].id)


def _pairs(stored: tuple[StoredKey, ...]) -> list[StoredKey]:
    """What is published and is not shared."""
    return [key for key in keyring.published(stored) if not is_symmetric(key.alg)]
