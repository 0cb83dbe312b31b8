"""A real issuer, a wire to it that counts and loses, and a service behind a guard."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from jotgate.client import ClientSession, Issuer
from tests.client.guarded import Service, service
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


@pytest.fixture(scope="session")
def user(server: Server) -> str:
    """Somebody whom all tests log in as."""
    with server.api() as talk:
        talk.register("user@example.com", PASSWORD)
    return "user@example.com"


@pytest.fixture
def client(user: str, wire: Wire) -> Client:
    """With a clock that can be moved."""
    return _client(user, wire)


@pytest.fixture
def newcomer(server: Server, wire: Wire) -> Client:
    """A user of one's own, for those who change something about it."""
    email = f"newcomer-{next(_numbers)}@example.com"
    with server.api() as talk:
        talk.register(email, PASSWORD)
    return _client(email, wire)


def _client(email: str, wire: Wire) -> Client:
    clock = Clock()
    return Client(email, Issuer(wire.url, patience_seconds=20, timeout_seconds=20, clock=clock), clock)
