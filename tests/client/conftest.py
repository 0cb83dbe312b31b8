"""A real issuer, a wire to it that counts and loses, and a service behind a guard."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from jotgate.client import ClientSession, Issuer
from tests.client.service import Service, service
from tests.client.wire import Wire, wired
from tests.live.people import PASSWORD
from tests.live.process import Server, serving

_numbers = itertools.count()


@dataclass
class Clock:
    """Our clock: `ahead` seconds before the world's."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Client:
    """Somebody who has logged in, over the wire."""

    email: str
    issuer: Issuer
    clock: Clock
    session: ClientSession = field(init=False)

    def login(self, **options: Any) -> ClientSession:
        self.session = ClientSession.login(self.issuer, email=self.email, password=PASSWORD, **options)
        return self.session


Clients = Callable[..., Client]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("issuer")) as server:
        yield server


@pytest.fixture(scope="session")
def gym(server: Server) -> Iterator[Service]:
    with service(server.url) as gym:
        yield gym


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with wired(server.port) as wire:
        yield wire


@pytest.fixture
def api(gym: Service) -> Service:
    """The service, with nothing seen yet."""
    gym.seen.clear()
    gym.bodies.clear()
    gym.statuses.clear()
    gym.answers.clear()
    return gym


@pytest.fixture
def client(server: Server, wire: Wire) -> Client:
    """A new user, with a clock that can be moved; short of patience."""
    email = f"client-{next(_numbers)}-{time.time_ns()}@example.com"
    with server.api() as talk:
        talk.register(email, PASSWORD)
    clock = Clock()
    return Client(email, Issuer(wire.url, patience_seconds=5, timeout_seconds=5, clock=clock), clock)
