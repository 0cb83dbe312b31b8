"""The first administrator, made by several nodes that start at the same time."""

import asyncio
from pathlib import Path

import pytest

from jotgate.assemble import opened
from jotgate.cli.first_start import administrator
from jotgate.flows import users
from jotgate.settings import load


@pytest.mark.anyio
async def test_nodes_that_start_together_make_one_administrator(tmp_path: Path) -> None:
    told = {"ADMIN_EMAIL": "root@example.com", "ADMIN_PASSWORD": "a long enough passphrase", "DATA_DIR": str(tmp_path)}
    settings = load({f"JOTGATE_{name}": value for name, value in told.items()})

    async with opened(settings) as env:
        links = await asyncio.gather(*(administrator(env, settings) for _ in range(3)))

        assert links == [None] * 3
        assert [user.email for user in await users.page(env)] == ["root@example.com"]
