"""What `jotgate doctor` reads from the tables of a sound database.

check            wrong when
-----            ----------
schema           another jotgate's
keys             the master secret does not open them
next keys        what is due has not been done for ten minutes: no server runs, or it cannot write
clock            something lies in the future
feed             closings wait to be announced: no server runs
administrator    (a note) nobody can administrate
restore          (a note) a backup was put in the place of the database: what it rolled back
"""

import time

from jotgate.assemble import open_store
from jotgate.cli import reach
from jotgate.cli.findings import Finding
from jotgate.cli.output import instant, span
from jotgate.cli.places import env_alone
from jotgate.core import keyring
from jotgate.core.policy import SKEW
from jotgate.core.roles import ADMIN_ROLE
from jotgate.errors import JotgateError
from jotgate.flows import keys as keys_flow
from jotgate.settings import Settings
from jotgate.store import feed, keys, migrate, restores, roles
from jotgate.store.ports import Store, Tx

_LATE_SECONDS = 600  # a server does what is due within a minute


async def inside(settings: Settings) -> list[Finding]:
    """All findings in the database, and of the servers that nodes share."""
    try:
        store = await open_store(settings)
    except JotgateError as error:
        return [Finding("database", "wrong", error.detail), *await reach.shared(settings)]
    try:
        server = await reach.postgres(settings, store.read()) if store.dialect == "postgres" else []
        return [*server, *await _tables(settings, store), *await reach.shared(settings)]
    finally:
        await store.close()


async def _tables(settings: Settings, store: Store) -> list[Finding]:
    tx = store.read()
    try:
        if not await migrate.check(store):
            return [Finding("schema", "wrong", "older than this jotgate: run `jotgate migrate`, or start the server")]
        return [
            Finding("schema", "ok", "this jotgate's own"),
            await _keys(settings, store),
            await _due(settings, tx),
            await _clock(tx),
            await _feed(tx),
            await _administrator(settings, tx),
            *await _restored(tx),
        ]
    except JotgateError as error:
        return [Finding("schema", "wrong", error.detail)]


async def _keys(settings: Settings, store: Store) -> Finding:
    if not await keys.signing(store.read()):
        return Finding("keys", "note", "none yet: the first `jotgate serve` makes them")
    try:
        async with env_alone(store, settings) as env:
            await keys_flow.reload(env)
    except JotgateError as error:
        return Finding("keys", "wrong", error.detail)
    return Finding("keys", "ok", f"the master secret opens them; {env.keyring.current.signing.kid} signs")


async def _due(settings: Settings, tx: Tx) -> Finding:
    stored = await keys.signing(tx)
    late = keyring.due(stored, now=int(time.time()) - _LATE_SECONDS, policy=settings.policy) if stored else ()
    if not late:
        return Finding("key changes", "ok", "none is late")
    what = ", ".join(type(change).__name__.lower() for change in late)
    return Finding("key changes", "wrong", f"late: {what}: see that `jotgate serve` runs and can write")


async def _clock(tx: Tx) -> Finding:
    newest = max((key.created_at for key in await keys.signing(tx)), default=0)
    row = await tx.one("select max(rotated_at) from sessions")
    newest = max(newest, int(row[0] or 0) if row else 0)
    ahead = newest - int(time.time())
    if ahead <= SKEW:
        return Finding("clock", "ok", "nothing here is from the future")
    return Finding("clock", "wrong", f"something was written {ahead} s in the future: set this machine's clock (NTP)")


async def _feed(tx: Tx) -> Finding:
    if await feed.pending(tx):
        return Finding("feed", "wrong", "closings wait to be announced: see that `jotgate serve` runs and can write")
    return Finding("feed", "ok", f"announced up to {(await feed.head(tx))[0]}")


async def _administrator(settings: Settings, tx: Tx) -> Finding:
    if settings.policy.symmetric:
        return Finding("administrator", "note", f"administration over HTTP is off under {settings.policy.algorithm}")
    if await roles.holders(tx, ADMIN_ROLE):
        return Finding("administrator", "ok", "there is one")
    return Finding(
        "administrator",
        "note",
        f"nobody: the next start prints a set-up link; or `jotgate user role USER {ADMIN_ROLE}`",
    )


async def _restored(tx: Tx) -> list[Finding]:
    """What the last restore rolled back, if there was one."""
    last = await restores.last(tx)
    if last is None:
        return []
    lost = span(last.restored_at - last.backed_up_at)
    sessions = f"{last.sessions_closed} closed, {last.sessions_kept} kept"
    return [
        Finding(
            "restore",
            "note",
            f"at {instant(last.restored_at)} a backup of {instant(last.backed_up_at)} was restored: nothing is known "
            f"here of the {lost} between; sessions: {sessions}; keys revoked: {' '.join(last.keys_revoked) or 'none'}",
        )
    ]
