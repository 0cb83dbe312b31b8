"""An issuer that runs, and guards that are closed again."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jotgate.guard.guard import Guard
from tests.guard.standin import StandIn, issuing

Guards = Callable[..., Guard]


@pytest.fixture
def issuer() -> Iterator[StandIn]:
    with issuing(StandIn()) as standin:
        yield standin


@pytest.fixture
def guards() -> Iterator[Guards]:
    """Makes guards; they are closed at the end."""
    made: list[Guard] = []

    def make(issuer: str, **options: Any) -> Guard:
        guard = Guard(issuer, **options)
        made.append(guard)
        return guard

    yield make
    for guard in made:
        guard.close()
