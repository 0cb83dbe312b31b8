"""An issuer of the standard profile for the tests of the HTTP side."""

from collections.abc import AsyncIterator

import pytest

from tests.server.issuing import House, issuing


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with issuing() as house:
        yield house
