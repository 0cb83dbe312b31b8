"""The pytest plugin's fixtures; `pytest -p jotgate.testing` has them.

fixture         what it gives
------------    ---------------------------------------------------------------------------
test_issuer     a `TestIssuer`, which every guard of the process relies on during the test
auth_headers    auth_headers(role="manager", ...) -> {"Authorization": "Bearer ..."}
acting_as       acting_as(client, role="manager", ...), for a `with` block or the test
bad_tokens      hostile tokens by name
clock           the time of guards and tokens: `clock.now`, `clock.move(seconds)`
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from jotgate.testing.clock import Clock
from jotgate.testing.issuer import TestIssuer


@pytest.fixture
def test_issuer() -> Iterator[TestIssuer]:
    """An issuer in this process: every guard relies on its keys, news and clock until the test ends."""
    with TestIssuer() as issuer:
        yield issuer


@pytest.fixture
def auth_headers(test_issuer: TestIssuer) -> Callable[..., dict[str, str]]:
    """`auth_headers(role="manager", scope="payments:read", sub="ada", ...)` -> the header of a good token."""
    return test_issuer.headers


@pytest.fixture
def acting_as(test_issuer: TestIssuer) -> Callable[..., AbstractContextManager[Any]]:
    """`acting_as(client, role="manager", ...)`: any framework's test client sends a good token from now on."""
    return test_issuer.acting_as


@pytest.fixture
def bad_tokens(test_issuer: TestIssuer) -> Mapping[str, str]:
    """Hostile tokens by name: `tampered`, `expired`, `none_alg`, `wrong_audience`, `swapped_key` and some hundreds."""
    return test_issuer.bad_tokens()


@pytest.fixture
def clock(test_issuer: TestIssuer) -> Clock:
    """The time of guards and tokens: `clock.move(3600)` makes tokens expire without waiting."""
    return test_issuer.clock
