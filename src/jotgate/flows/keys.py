"""Keys: make new ones when they are due, rotate, revoke, take the stored ones into use.

Whoever changes a key bumps the version; every process looks at the version and opens the keys again when it differs.
What seals them is the business of `vault`.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import assert_type

from jotgate.core import keyring
from jotgate.core.feed import key_revoked
from jotgate.core.keyring import Forget, Promote, Publish, Retire
from jotgate.core.model import StoredKey, StoredMacKey
from jotgate.core.policy import is_symmetric
from jotgate.core.refresh_token import MAC_KEY_BYTES
from jotgate.errors import NotFound, Refused
from jotgate.flows import vault
from jotgate.flows.env import Env, sequence
from jotgate.jose import jwk
from jotgate.jose.jwk import Key
from jotgate.jose.keygen import new_key
from jotgate.store import audit, feed, keys
from jotgate.store.ports import Tx

_MAC_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Lengthen:
    """The policy lets tokens of this key live longer than before: guards must remember longer what they are told."""

    kid: str


_Change = keyring.Change | Lengthen

# --- at the start and now and then


async def load(env: Env, *, upkeep: bool = True) -> None:
    """At the start: see that the secret fits, make what is missing, open the keys. Raises `StartError`.

    Without `upkeep` keys that are there stay as they are: a command beside a server may have other settings than it.
    """
    if upkeep or await keys.secret_check(env.store.read()) is None:
        await tick(env)
    await vault.open_keys(env)


async def reload(env: Env) -> None:
    """Open the keys again if another process changed them."""
    if await keys.version(env.store.read()) != env.keyring.loaded_version:
        await vault.open_keys(env)


async def tick(env: Env) -> None:
    """Make, promote, retire and forget what is due; nothing is written when nothing is."""
    now = int(env.clock())
    changes = await _due(env, env.store.read(), now=now)
    if not changes and await keys.secret_check(env.store.read()) is not None:
        return
    count = sum(isinstance(change, Publish) for change in changes if not env.policy.symmetric)
    # An RSA key takes its time: it is not made inside the transaction.
    made = [await asyncio.to_thread(new_key, env.policy.algorithm) for _ in range(count)]

    async def change(tx: Tx) -> None:
        await keys.bump(tx)
        await _bring_up_to_date(env, tx, ready=list(made), now=now)

    await env.store.write(change)
    await vault.open_keys(env)


# --- by an operator


async def list_all(env: Env) -> tuple[StoredKey, ...]:
    """Every key that is not gone, oldest first."""
    return tuple(key for key in await keys.signing(env.store.read()) if key.gone_at is None)


def state(key: StoredKey) -> str:
    """`next`, `signing`, `retiring`, `revoked` or `gone`."""
    instants = (
        ("revoked", key.revoked_at),
        ("gone", key.gone_at),
        ("retiring", key.retiring_at),
        ("signing", key.signing_at),
    )
    return next((name for name, instant in instants if instant is not None), "next")


async def rotate(env: Env, *, at_once: bool = False, actor: str | None = None) -> str:
    """The next key signs from now on; its `kid`. Raises `Refused` before guards can all have it, unless `at_once`."""
    _see_that_keys_are_in_pairs(env)
    now = int(env.clock())

    async def change(tx: Tx) -> str:
        await keys.bump(tx)
        await _see_that_they_are_ours(env, tx)
        nexts = [key for key in keyring.published(await keys.signing(tx)) if state(key) == "next"]
        if not nexts:
            raise Refused("there is no next key")
        successor = min(nexts, key=lambda key: (key.published_at, key.kid))
        if not at_once and now < successor.published_at + env.policy.key_lead:
            raise Refused(f"guards may not know the next key before {env.policy.key_lead} s after it was published")
        await _apply(env, tx, Promote(successor.kid), ready=[], now=now)
        await _bring_up_to_date(env, tx, ready=[], now=now)
        await audit.append(tx, "key_rotated", now=now, actor=actor, detail=successor.kid)
        return successor.kid

    kid = await env.store.write(change)
    await vault.open_keys(env)
    return kid


async def revoke(env: Env, kid: str, *, actor: str | None = None) -> None:
    """The key is stolen: nothing that it signed counts any more, and guards are told. Raises `NotFound`, `Refused`."""
    _see_that_keys_are_in_pairs(env)
    now = int(env.clock())

    async def change(tx: Tx) -> None:
        await keys.bump(tx)
        await _see_that_they_are_ours(env, tx)
        key = {key.kid: key for key in keyring.published(await keys.signing(tx))}.get(kid)
        if key is None:
            raise NotFound("no such key is published")
        await keys.put_signing(tx, replace(key, revoked_at=now, gone_at=now, sealed=b""))
        await _bring_up_to_date(env, tx, ready=[], now=now)
        await feed.append(tx, (key_revoked(env.issuer, kid, now=now),))
        await audit.append(tx, "key_revoked", now=now, actor=actor, detail=kid)

    await env.store.write(change)
    await vault.open_keys(env)
    await sequence(env)


def _see_that_keys_are_in_pairs(env: Env) -> None:
    if env.policy.symmetric:
        raise Refused(
            f"{env.policy.algorithm} has one key, its secret: set another HS256_SECRET here and at the guards"
        )


async def _see_that_they_are_ours(env: Env, tx: Tx) -> None:
    """A server has made keys by its settings: who has others would replace them all. Raises `Refused`."""
    found = {key.alg for key in keyring.published(await keys.signing(tx))}
    if found and env.policy.algorithm not in found:
        raise Refused(
            f"the keys here are for {' '.join(sorted(found))}, and ALGORITHM is {env.policy.algorithm}: "
            "give this command the settings of the server"
        )


# --- what is due


async def _due(env: Env, tx: Tx, *, now: int) -> tuple[_Change, ...]:
    stored = await keys.signing(tx)
    current = keyring.signing([key for key in stored if is_symmetric(key.alg) is env.policy.symmetric])
    if env.policy.symmetric and current is not None and current.public != vault.public_text(vault.shared(env)):
        return (Publish(env.policy.algorithm, sign=True),)  # the secret is another one, or for another algorithm
    if current is not None and current.longest_ttl < env.policy.access_ttl:
        return (Lengthen(current.kid),)
    return keyring.due(stored, now=now, policy=env.policy)


async def _bring_up_to_date(env: Env, tx: Tx, *, ready: list[Key], now: int) -> None:
    """Everything that is due; `ready` are new keys to use."""
    await vault.master_of(env, tx)
    if not await keys.macs(tx):
        await _first_mac(env, tx, now=now)
    while changes := await _due(env, tx, now=now):
        for change in changes:
            await _apply(env, tx, change, ready=ready, now=now)


async def _apply(env: Env, tx: Tx, change: _Change, *, ready: list[Key], now: int) -> None:
    stored = {key.kid: key for key in await keys.signing(tx)}
    # Later than any before, so that it is this one that signs, in whichever second and whatever the clock did.
    signs_from = max(now, *((key.signing_at or 0) + 1 for key in stored.values()), 0)
    if isinstance(change, Publish):
        await _publish(env, tx, change, ready=ready, now=now, signs_from=signs_from)
        return
    key = stored[change.kid]
    ttl = max(key.longest_ttl, env.policy.access_ttl)
    match change:
        case Promote():
            key = replace(key, signing_at=signs_from, longest_ttl=ttl)
        case Lengthen():
            key = replace(key, longest_ttl=ttl)
        case Retire():
            key = replace(key, retiring_at=now)
        case _:
            assert_type(change, Forget)
            key = replace(key, gone_at=now, sealed=b"")
    await keys.put_signing(tx, key)


async def _publish(env: Env, tx: Tx, change: Publish, *, ready: list[Key], now: int, signs_from: int) -> None:
    if env.policy.symmetric:
        key, sealed = vault.shared(env), b""
        for other in await keys.signing(tx):  # guards changed to the new secret: tokens under the old one are dead
            if is_symmetric(other.alg):
                await keys.remove_signing(tx, other.kid)
    else:
        key = ready.pop() if ready else new_key(change.alg)
        master = await vault.master_of(env, tx)
        sealed = vault.seal(env, master, jwk.to_private_bytes(key), kind=vault.SIGNING, name=key.kid)
    stored = StoredKey(
        kid=key.kid,
        alg=key.alg,
        public=vault.public_text(key),
        sealed=sealed,
        created_at=now,
        published_at=now,
        signing_at=signs_from if change.sign else None,
        longest_ttl=env.policy.access_ttl if change.sign else 0,
    )
    await keys.put_signing(tx, stored)


async def _first_mac(env: Env, tx: Tx, *, now: int) -> None:
    master = await vault.master_of(env, tx)
    number = int.from_bytes(env.entropy(_MAC_ID_BYTES))
    sealed = vault.seal(env, master, env.entropy(MAC_KEY_BYTES), kind=vault.MAC, name=str(number))
    await keys.put_mac(tx, StoredMacKey(number, sealed, now))
