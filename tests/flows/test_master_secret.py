"""The master secret: another opens nothing, an earlier one opens until it is rotated away, a changed one is found."""

from pathlib import Path

import pytest

from jotgate.errors import SecretMismatch
from jotgate.flows import keys, secret
from jotgate.flows.env import Secrets
from jotgate.store import keys as rows
from tests.flows.test_keys import accepts, states
from tests.flows.world import MASTER, START, Clock, open_world

pytestmark = pytest.mark.anyio

DAY = 86400
OTHER = b"another master secret, also long"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "jotgate.db"


async def test_another_master_secret_does_not_open_it_and_changes_nothing(path: Path) -> None:
    async with open_world(path) as world:
        before = await rows.version(world.env.store.read())

    for late in (0, 100 * DAY):
        with pytest.raises(SecretMismatch):
            async with open_world(path, secrets=Secrets(OTHER), clock=Clock(START + late)):
                pass

    async with open_world(path) as world:
        assert await rows.version(world.env.store.read()) == before


async def test_everything_is_wrapped_anew_under_another_secret(path: Path) -> None:
    async with open_world(path) as world:
        await world.add()
        pair = await world.login()
        await keys.rotate(world.env, at_once=True)

        assert await secret.rotate(world.env, OTHER, actor="root") == 4
        assert (await world.events())[-1] == "secret_rotated"
        assert await world.refresh(pair)

    with pytest.raises(SecretMismatch):
        async with open_world(path, secrets=Secrets(MASTER)):
            pass
    async with open_world(path, secrets=Secrets(OTHER)) as world:
        assert accepts(world, pair)
        assert await world.refresh(pair)


async def test_a_previous_secret_opens_until_it_is_rotated_away(path: Path) -> None:
    async with open_world(path):
        pass

    async with open_world(path, secrets=Secrets(OTHER, (b"no" * 20, MASTER))) as world:
        await keys.rotate(world.env, at_once=True)  # what is added goes under the secret of all the rest
    async with open_world(path, secrets=Secrets(MASTER)):
        pass

    async with open_world(path, secrets=Secrets(OTHER, (MASTER,))) as world:
        await secret.rotate(world.env)
    async with open_world(path, secrets=Secrets(OTHER)) as world:
        await keys.rotate(world.env, at_once=True)


async def test_a_running_server_finds_the_secret_that_an_operator_changed(path: Path) -> None:
    lying = [Secrets(MASTER)]
    async with open_world(path, find=lambda: lying[0]) as running, open_world(path) as operator:
        lying[0] = Secrets(OTHER, (MASTER,))
        await secret.rotate(operator.env, OTHER)

        await keys.reload(running.env)

        await keys.rotate(running.env, at_once=True)
    async with open_world(path, secrets=Secrets(OTHER)):
        pass


async def test_who_has_the_old_secret_adds_nothing_after_the_change(path: Path) -> None:
    async with open_world(path) as old, open_world(path) as new:
        await new.add()
        pair = await new.login()
        await secret.rotate(new.env, OTHER)

        with pytest.raises(SecretMismatch):
            await keys.reload(old.env)
        old.clock.now += 90 * DAY
        with pytest.raises(SecretMismatch):
            await keys.tick(old.env)

        assert accepts(old, pair)  # what was open stays in use
        assert await states(new) == ["next", "signing"]
