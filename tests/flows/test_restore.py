"""Restore: what lived when the backup was made, or after it, and what of it lives on."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jotgate.core import keyring
from jotgate.core.model import TokenPair
from jotgate.errors import GrantError, SecretMismatch
from jotgate.flows import feed, keys, logout, restore, setup
from jotgate.flows.env import Secrets
from jotgate.flows.restore import Replaced
from jotgate.store import keys as key_rows
from jotgate.store import restores, users
from jotgate.store.restores import Restore
from jotgate.wire.feed import digest
from tests.flows.test_keys import accepts
from tests.flows.world import ISSUER, START, Clock, World, open_world

pytestmark = pytest.mark.anyio

LATER = START + 5000
Life = Callable[[World], Awaitable[Any]]


class Backup:
    """An installation, and a copy of its file from an earlier moment."""

    def __init__(self, folder: Path, **chosen: Any) -> None:
        self.live, self.copy, self.chosen = folder / "live" / "jotgate.db", folder / "copy" / "jotgate.db", chosen

    def open(self) -> AbstractAsyncContextManager[World]:
        """The installation itself."""
        return open_world(self.live, **self.chosen)

    def make(self) -> None:
        self.copy.parent.mkdir()
        shutil.copy(self.live, self.copy)

    @asynccontextmanager
    async def restored(
        self, *, before: Replaced | None = None, keep_sessions: bool = False
    ) -> AsyncIterator[tuple[World, Restore]]:
        """The copy, made what a restored installation must be."""
        async with open_world(self.copy, clock=Clock(LATER), upkeep=False, **self.chosen) as world:
            done = await restore.revive(world.env, before=before, keep_sessions=keep_sessions, actor="root")
            await keys.load(world.env)
            yield world, done


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    return Backup(tmp_path)


@pytest.fixture
async def ada(backup: Backup) -> TokenPair:
    """Her tokens; the backup was made after she got them."""
    async with backup.open() as world:
        await world.add()
        pair = await world.login()
    backup.make()
    return pair


async def test_no_access_token_from_before_counts(backup: Backup, ada: TokenPair) -> None:
    async with backup.open() as world:
        signed = [key.kid for key in await keys.list_all(world.env)]

    async with backup.restored() as (world, done):
        assert not accepts(world, ada)
        assert set(done.keys_revoked) == set(signed)
        assert all([await world.is_told("kid", kid) for kid in signed])
        assert accepts(world, await world.login())


async def test_new_keys_sign_at_once_and_another_is_next(backup: Backup, ada: TokenPair) -> None:
    async with backup.restored() as (world, done):
        stored = keyring.published(await key_rows.signing(world.env.store.read()))

        assert sorted(map(keys.state, stored)) == ["next", "signing"]
        assert not {key.kid for key in stored} & set(done.keys_revoked)


async def test_sessions_are_closed(backup: Backup, ada: TokenPair) -> None:
    async with backup.restored() as (world, done):
        assert (done.sessions_closed, done.sessions_kept) == (1, 0)
        with pytest.raises(GrantError):
            await world.refresh(ada)


async def test_what_had_ended_before_is_not_counted(backup: Backup) -> None:
    async with backup.open() as world:
        await world.add()
        await logout.logout(world.env, refresh_token=(await world.login()).refresh_token)
    backup.make()

    async with backup.restored() as (_, done):
        assert (done.sessions_closed, done.sessions_kept) == (0, 0)


async def test_kept_sessions_go_on_from_where_their_owner_is(backup: Backup, ada: TokenPair) -> None:
    async with backup.open() as world:
        newest = ada
        for _ in range(100):
            newest = await world.refresh(newest)

    async with backup.restored(keep_sessions=True) as (world, done):
        assert (done.sessions_closed, done.sessions_kept) == (0, 1)
        assert accepts(world, await world.refresh(newest))
        assert "refresh_rolled_forward" in await world.events()


async def test_what_ended_after_the_backup_lives_again_if_sessions_are_kept(backup: Backup, ada: TokenPair) -> None:
    async with backup.open() as world:
        await logout.logout(world.env, refresh_token=ada.refresh_token)

    async with backup.restored(keep_sessions=True) as (world, _):
        assert await world.refresh(ada)


async def test_sessions_that_the_backup_does_not_know_are_refused(backup: Backup, ada: TokenPair) -> None:
    async with backup.open() as world:
        unknown = await world.login()

    async with backup.restored(keep_sessions=True) as (world, _):
        assert not accepts(world, unknown)
        with pytest.raises(GrantError):
            await world.refresh(unknown)


async def test_a_key_that_was_stolen_after_the_backup_does_not_sign_again(backup: Backup, ada: TokenPair) -> None:
    async with backup.open() as world:
        stolen = world.env.keyring.current.signing.kid
        await keys.revoke(world.env, stolen)

    async with backup.restored(keep_sessions=True) as (world, _):
        assert world.env.keyring.current.signing.kid != stolen
        assert await world.is_told("kid", stolen)


async def test_guards_start_over(backup: Backup, ada: TokenPair) -> None:
    async with backup.open() as world:
        cursor = (await world.news()).next

    async with backup.restored() as (world, _):
        page = await feed.page(world.env, cursor)

    assert page.reset
    assert page.next.split(".")[0] != cursor.split(".")[0]


@pytest.mark.parametrize(("epoch", "raised"), [(START, LATER), (LATER - 1, LATER), (LATER, LATER + 1)])
async def test_epochs_rise_as_if_everything_had_changed(backup: Backup, epoch: int, raised: int) -> None:
    async with backup.open() as world:
        ada = await world.add()
        await world.env.store.swap().run("update users set epoch = ?", epoch)
    backup.make()

    async with backup.restored() as (world, _):
        found = await users.by_id(world.env.store.read(), ada.id)

    assert found
    assert found.epoch == raised


async def test_a_set_up_link_is_void(backup: Backup) -> None:
    async with backup.open() as world:
        await setup.make(world.env)
    backup.make()

    async with backup.restored() as (world, _):
        assert await world.count("setup_links") == 0


async def test_what_was_done_is_kept_for_people(backup: Backup, ada: TokenPair) -> None:
    async with backup.restored() as (world, done):
        assert (done.backed_up_at, done.restored_at) == (START, LATER)
        assert await restores.last(world.env.store.read()) == done
        assert "restored" in await world.events()

        again = await restore.revive(world.env)
        assert again.restored_at == LATER + 1
        assert await restores.last(world.env.store.read()) == again


async def test_a_backup_says_when_it_was_made(backup: Backup, ada: TokenPair) -> None:
    async with open_world(backup.copy, upkeep=False) as world:
        await world.env.store.write(lambda tx: restores.mark_backup(tx, START + 77))

    async with backup.restored() as (world, done):
        assert done.backed_up_at == START + 77
        assert await restores.backed_up_at(world.env.store.read()) == LATER  # it is no backup any more


async def test_another_master_secret_changes_nothing(backup: Backup, ada: TokenPair) -> None:
    async with backup.open() as world:
        env = world.env
        env.keyring.secrets = Secrets(b"another master secret, also long")

        with pytest.raises(SecretMismatch):
            await restore.revive(env)

        assert await restores.last(env.store.read()) is None
        assert accepts(world, ada)


# --- what must not be forgotten of the database that is replaced


async def test_keys_that_only_the_replaced_database_knew_are_told(backup: Backup, ada: TokenPair) -> None:
    async with backup.open() as world:
        await keys.rotate(world.env, at_once=True)
        gone = await restore.replaced(world.env.store.read(), now=LATER)
        theirs = await world.login()

    async with backup.restored(before=gone) as (world, done):
        assert len(done.keys_revoked) == len(set(done.keys_revoked)) == 3
        assert await world.is_told("kid", done.keys_revoked[-1])
        assert not accepts(world, theirs)


async def test_keys_that_the_replaced_database_had_revoked_stay_so_and_are_told_once(
    backup: Backup, ada: TokenPair
) -> None:
    async with backup.open() as world:
        known = world.env.keyring.current.signing.kid
        await keys.rotate(world.env, at_once=True)
        await keys.rotate(world.env, at_once=True)
        made_later = world.env.keyring.current.signing.kid
        await keys.revoke(world.env, known)
        await keys.revoke(world.env, made_later)
        gone = await restore.replaced(world.env.store.read(), now=LATER)

    async with backup.restored(before=gone) as (world, _):
        told = [entry.digest for entry in (await world.news()).entries]

    assert {digest(ISSUER, "kid", known), digest(ISSUER, "kid", made_later)} <= {*told}
    assert len(told) == len({*told})


@pytest.mark.parametrize("version", [3, LATER - 1, LATER, LATER + 9])
async def test_whoever_runs_sees_that_the_keys_have_changed(backup: Backup, ada: TokenPair, version: int) -> None:
    async with backup.restored(before=Replaced(version)) as (world, _):
        assert await key_rows.version(world.env.store.read()) > max(version, LATER)


# --- a key that guards share cannot be revoked


async def test_under_a_shared_key_the_feed_makes_tokens_stale(tmp_path: Path) -> None:
    backup = Backup(tmp_path, algorithm="HS256")
    async with backup.open() as world:
        people = [await world.add(f"u{number}@example.com", password=None) for number in range(101)]
        await world.add()
        pair = await world.login()
        old = world.claims(pair)
    backup.make()

    async with backup.restored() as (world, done):
        epochs = {entry.digest: entry.epoch for entry in (await world.news()).entries if entry.kind == "sub"}
        later = world.claims(await world.login())

    assert done.keys_revoked == ()
    assert all(digest(ISSUER, "sub", user.id) in epochs for user in people)
    assert (old.epoch or 0) < (epochs[digest(ISSUER, "sub", old.sub)] or 0) <= (later.epoch or 0)


async def test_without_a_feed_nobody_is_told(tmp_path: Path) -> None:
    backup = Backup(tmp_path, profile="classic")
    async with backup.open() as world:
        await world.add(username="ada")
    backup.make()

    async with backup.restored() as (world, done):
        assert done.keys_revoked == ()
        assert await world.count("feed_entries") == 0
        assert await world.by_username()
