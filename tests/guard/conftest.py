"""An issuer that runs, and guards that are closed again."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jotgate.guard.guard import Guard
from tests.guard.newsroom import Listening, Press, press
from tests.guard.standin import StandIn, Tenants, served
from tests.servers.nats import server_url

Guards = Callable[..., Guard]


@pytest.fixture(scope="session")
def tenants() -> Iterator[Tenants]:
    """One server for all the issuers of a test run."""
    many = Tenants()
    with served(many) as url:
        many.url = url
        yield many


@pytest.fixture
def issuer(tenants: Tenants) -> Iterator[StandIn]:
    standin = tenants.move_in(StandIn())
    yield standin
    standin.closing = True


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


@pytest.fixture
def listening(issuer: StandIn) -> Iterator[Listening]:
    """The snapshot is read already."""
    made = Listening(issuer)
    made.read()
    made.told.clear()
    yield made
    made.feed.close()
    made.feed.line.close()


@pytest.fixture
def paper() -> Iterator[Press]:
    """A connection to the NATS server that tests share."""
    with press(server_url()) as made:
        yield made
