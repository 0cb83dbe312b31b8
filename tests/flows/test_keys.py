"""Keys: the first start, turns of the ring, revoking, shared secrets, other processes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jotgate.core.keyring import signing as signing_of
from jotgate.core.model import TokenPair
from jotgate.errors import NotFound, Refused, SignatureInvalid, StartError, TokenError
from jotgate.flows import keys
from jotgate.flows.env import Secrets
from jotgate.jose import jws
from jotgate.store import keys as rows
from tests.flows.world import HS256, MASTER, START, Clock, World, open_world

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600, 86400
OTHER_HS256 = b"Zt6Wb3nYp9Lc4Hd7Jf0Gs5AkR2v8Qm1x-ue_O"


async def states(world: World) -> list[str]:
    return sorted(keys.state(key) for key in await rows.signing(world.env.store.read()))


def accepts(world: World, pair: TokenPair) -> bool:
    """Whether the issuer's own keys still verify it, whatever its time."""
    try:
        jws.verify(pair.access_token, world.env.keyring.current.public)
    except SignatureInvalid:
        return False
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "jotgate.db"


# --- the first start, the next start


async def test_the_first_start_makes_a_key_that_signs_and_a_next_one(world: World) -> None:
    ring = world.env.keyring.current

    assert await states(world) == ["next", "signing"]
    assert len(ring.public.keys) == 2
    assert ring.signing.kid in ring.public.by_kid
    assert all(key.private is None for key in ring.public.keys)
    assert len(ring.macs) == 1
    assert world.env.keyring.longest_ttl == 900


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA", "Ed25519", "ES384"])
async def test_every_algorithm_signs(algorithm: str) -> None:
    async with open_world(algorithm=algorithm) as world:
        await world.add()

        assert jws.peek((await world.login()).access_token).alg == algorithm
        assert world.claims(await world.login())


async def test_the_next_start_opens_the_same_keys(path: Path) -> None:
    async with open_world(path) as world:
        await world.add()
        pair, ring = await world.login(), world.env.keyring.current

    async with open_world(path) as world:
        again = world.env.keyring.current
        assert (again.version, again.mac_current) == (ring.version, ring.mac_current)
        assert again.public == ring.public
        assert world.claims(pair)
        assert await world.refresh(pair)


async def test_nothing_is_written_when_nothing_is_due(world: World) -> None:
    version = await rows.version(world.env.store.read())

    await keys.tick(world.env)

    assert await rows.version(world.env.store.read()) == version


async def test_what_lies_in_the_database_is_sealed(world: World) -> None:
    stored = await rows.signing(world.env.store.read())
    macs = await rows.macs(world.env.store.read())
    secrets = [mac.secret for mac in world.env.keyring.current.macs.values()]

    assert all(len(key.sealed) > 100 and '"d"' not in key.public for key in stored)
    assert not any(secret in mac.sealed for secret in secrets for mac in macs)


# --- turns of the ring


async def test_a_new_key_signs_after_its_interval_and_the_old_one_retires(world: World) -> None:
    await world.add()
    old = world.env.keyring.current.signing.kid
    world.clock.now = START + 90 * DAY - 1
    await keys.tick(world.env)
    assert world.env.keyring.current.signing.kid == old

    world.clock.now = START + 90 * DAY
    pair = await world.login()
    await keys.tick(world.env)

    assert await states(world) == ["next", "retiring", "signing"]
    assert world.env.keyring.current.signing.kid != old
    assert accepts(world, pair)
    assert world.claims(await world.refresh(pair))


@pytest.mark.parametrize(("age", "state"), [(900 + 60 + 120 - 1, "retiring"), (900 + 60 + 120, "gone")])
async def test_a_retired_key_is_gone_when_its_last_token_is(world: World, age: int, state: str) -> None:
    await world.add()
    pair = await world.login()
    await keys.rotate(world.env, at_once=True)

    world.clock.now += age
    await keys.tick(world.env)

    assert await states(world) == sorted([state, "next", "signing"])
    assert accepts(world, pair) is (state == "retiring")
    assert len(await keys.list_all(world.env)) == (3 if state == "retiring" else 2)


async def test_rotating_waits_until_guards_can_know_the_next_key(world: World) -> None:
    old = world.env.keyring.current.signing.kid
    world.clock.now += HOUR - 1
    with pytest.raises(Refused):
        await keys.rotate(world.env)
    assert world.env.keyring.current.signing.kid == old

    world.clock.now += 1
    kid = await keys.rotate(world.env, actor="root")

    assert world.env.keyring.current.signing.kid == kid != old
    assert await states(world) == ["next", "retiring", "signing"]
    assert await world.events() == ["key_rotated"]


async def test_the_newest_signs_even_when_all_turn_within_a_second(world: World) -> None:
    kids = [await keys.rotate(world.env, at_once=True) for _ in range(5)]

    assert world.env.keyring.current.signing.kid == kids[-1]
    assert len(set(kids)) == 5


async def test_another_algorithm_signs_once_its_key_is_known(path: Path) -> None:
    async with open_world(path):
        pass

    clock = Clock()
    async with open_world(path, algorithm="EdDSA", clock=clock) as world:
        assert world.env.keyring.current.signing.alg == "ES256"
        clock.now += HOUR
        await keys.tick(world.env)
        assert world.env.keyring.current.signing.alg == "EdDSA"


async def test_without_a_next_key_there_is_nothing_to_rotate_to(world: World) -> None:
    async with world.env.store.begin() as tx:
        for key in await rows.signing(tx):
            if keys.state(key) == "next":
                await rows.remove_signing(tx, key.kid)

    with pytest.raises(Refused, match="no next key"):
        await keys.rotate(world.env, at_once=True)


async def test_longer_tokens_are_remembered_for_longer(path: Path) -> None:
    async with open_world(path) as world:
        assert world.env.keyring.longest_ttl == 900

    async with open_world(path, access_ttl=7200) as world:
        assert world.env.keyring.longest_ttl == 7200

    async with open_world(path, access_ttl=60) as world:
        assert world.env.keyring.longest_ttl == 7200
        signing = signing_of(await rows.signing(world.env.store.read()))
        assert signing is not None
        assert signing.longest_ttl == 7200


# --- revoking


async def test_a_revoked_key_counts_for_nothing_at_once(world: World) -> None:
    await world.add()
    pair, stolen = await world.login(), world.env.keyring.current.signing.kid

    await keys.revoke(world.env, stolen, actor="root")

    assert world.env.keyring.current.signing.kid != stolen
    assert not accepts(world, pair)
    assert await world.is_told("kid", stolen)
    assert await states(world) == ["next", "revoked", "signing"]
    assert world.claims(await world.refresh(pair))
    assert (await world.events())[-1] == "key_revoked"
    revoked = next(key for key in await rows.signing(world.env.store.read()) if key.kid == stolen)
    assert revoked.sealed == b""


async def test_a_next_key_can_be_revoked_before_it_signs(world: World) -> None:
    signing = world.env.keyring.current.signing.kid
    kid = next(key.kid for key in world.env.keyring.current.public.keys if key.kid != signing)

    await keys.revoke(world.env, kid)

    assert world.env.keyring.current.signing.kid == signing
    assert await states(world) == ["next", "revoked", "signing"]


async def test_what_is_not_published_cannot_be_revoked(world: World) -> None:
    kid = world.env.keyring.current.signing.kid
    await keys.revoke(world.env, kid)

    for name in (kid, "no such key"):
        with pytest.raises(NotFound):
            await keys.revoke(world.env, name)


# --- the shared secret


async def test_a_shared_secret_is_one_key_and_turns_by_setting_another(path: Path) -> None:
    async with open_world(path, profile="classic") as world:
        await world.add(username="ada")
        before = await world.by_username()
        assert await states(world) == ["signing"]
        for refused in (keys.rotate(world.env), keys.revoke(world.env, world.env.keyring.current.signing.kid)):
            with pytest.raises(Refused, match="HS256_SECRET"):
                await refused

    async with open_world(path, profile="classic") as world:
        assert accepts(world, before)

    async with open_world(path, profile="classic", secrets=Secrets(MASTER, (), OTHER_HS256)) as world:
        after = await world.by_username()
        assert await states(world) == ["signing"]
        assert accepts(world, after)
        assert not accepts(world, before)


async def test_a_shared_secret_is_not_stored(world: World) -> None:
    async with open_world(profile="classic") as classic:
        stored = await rows.signing(classic.env.store.read())

    assert [key.sealed for key in stored] == [b""]
    assert HS256.decode() not in stored[0].public


async def test_from_key_pairs_to_a_shared_secret_and_back(path: Path) -> None:
    async with open_world(path) as world:
        kid = world.env.keyring.current.signing.kid
    async with open_world(path, algorithm="HS256") as world:
        assert world.env.keyring.current.signing.alg == "HS256"
        assert world.env.keyring.current.public.symmetric
    async with open_world(path) as world:
        assert world.env.keyring.current.signing.alg == "ES256"
        assert world.env.keyring.current.signing.kid != kid


async def test_one_secret_for_another_algorithm_is_another_key(path: Path) -> None:
    secrets = Secrets(MASTER, (), HS256 + OTHER_HS256)
    for algorithm in ("HS256", "HS512", "HS256"):
        async with open_world(path, algorithm=algorithm, secrets=secrets) as world:
            assert world.env.keyring.current.signing.alg == algorithm


@pytest.mark.parametrize("secret", [None, b"short", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"])
async def test_a_weak_shared_secret_stops_the_start(secret: bytes | None) -> None:
    with pytest.raises(StartError, match="HS256_SECRET"):
        async with open_world(profile="classic", secrets=Secrets(MASTER, (), secret)):
            pass


# --- several processes


async def test_another_process_is_followed(path: Path) -> None:
    async with open_world(path) as one, open_world(path) as other:
        await one.add()
        kid = await keys.rotate(one.env, at_once=True)
        pair = await one.login()
        assert not accepts(other, TokenPair(pair.access_token[:-4] + "AAAA", 0, ""))

        await keys.reload(other.env)
        again = other.env.keyring.current
        await keys.reload(other.env)

        assert again.signing.kid == kid
        assert other.env.keyring.current is again
        assert other.claims(pair)


async def test_two_processes_starting_at_once_make_one_set_of_keys(path: Path) -> None:
    async def start() -> Any:
        async with open_world(path) as world:
            await asyncio.sleep(0)
            await keys.reload(world.env)
            return world.env.keyring.current

    one, other = await asyncio.gather(start(), start())

    assert one.public == other.public
    assert one.macs.keys() == other.macs.keys()


async def test_a_database_without_a_key_that_signs_is_said_to_be_so(world: World) -> None:
    async with world.env.store.begin() as tx:
        await rows.bump(tx)
        for key in await rows.signing(tx):
            await rows.remove_signing(tx, key.kid)

    with pytest.raises(StartError, match="other settings"):
        await keys.reload(world.env)

    assert world.env.keyring.current.signing


async def test_a_token_error_is_what_a_foreign_token_gives(world: World) -> None:
    await world.add()
    async with open_world() as elsewhere:
        await elsewhere.add()
        pair = await elsewhere.login()

    with pytest.raises(TokenError):
        world.claims(pair)


# --- a command beside a server


async def test_a_command_with_other_settings_leaves_the_keys_alone(path: Path) -> None:
    async with open_world(path) as server:
        before = await keys.list_all(server.env)

        async with open_world(path, algorithm="EdDSA", upkeep=False) as command:
            for change in (keys.rotate(command.env, at_once=True), keys.revoke(command.env, before[0].kid)):
                with pytest.raises(Refused, match="the settings of the server"):
                    await change

        assert await keys.list_all(server.env) == before


async def test_a_command_on_a_new_database_makes_the_keys(path: Path) -> None:
    async with open_world(path, upkeep=False) as command:
        assert await states(command) == ["next", "signing"]


async def test_keys_under_a_shared_secret_are_not_opened_with_other_settings(path: Path) -> None:
    async with open_world(path, profile="classic"):
        pass

    with pytest.raises(StartError, match="the settings of the server"):
        async with open_world(path, upkeep=False):
            pass
