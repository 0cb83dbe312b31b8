"""What endpoints share: the gate that they stand in, and the shape of a row of the route table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

from msgspec import Struct

from jotgate.core.policy import Policy
from jotgate.errors import JotgateError, Unavailable
from jotgate.flows.env import Env
from jotgate.guard.guard import Guard
from jotgate.server.browser import Browser
from jotgate.server.feedpages import FullPages
from jotgate.server.meters import Meters
from jotgate.server.reply import Reply
from jotgate.server.request import Request


@dataclass(frozen=True, slots=True)
class Edge:
    """What an operator says about the network around us."""

    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()  # networks
    feed_token: str | None = field(default=None, repr=False)


class Gate:
    """An issuer as its endpoints see it: the policy from the beginning, the `Env` once it is open."""

    def __init__(self, policy: Policy, edge: Edge, *, openapi: Callable[[], bytes]) -> None:
        self.policy = policy
        self.edge = edge
        self.browser = Browser(policy, edge.cors_origins)
        self.meters = Meters()
        self.openapi = openapi
        self.feed_pages = FullPages()
        self.draining = False  # about to stop: not ready any more, every answer is the last of its connection
        self._open: tuple[Env, Guard] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is an `Env`."""
        return self._open is not None

    @property
    def env(self) -> Env:
        """Raises `Unavailable` before the start and after the end."""
        return self._opened()[0]

    @property
    def guard(self) -> Guard:
        """Of our own routes; raises like `env`."""
        return self._opened()[1]

    def open(self, env: Env) -> None:
        """From now on requests can be served."""
        self.feed_pages = FullPages()
        self._open = (env, Guard.local(env.issuer, keys=lambda: env.keyring.current.public))
        self.draining = False
        self.meters.ready.set(1)

    def close(self) -> None:
        """From now on they cannot."""
        self._open = None
        self.meters.ready.set(0)

    def _opened(self) -> tuple[Env, Guard]:
        if self._open is None:
            raise Unavailable("not started")
        return self._open


Endpoint = Callable[[Gate, Request], Awaitable[Reply]]


class Who(Enum):
    """Who may call a route."""

    ANYBODY = "anybody"
    USER = "user"  # an access token of ours for any audience, its session open
    ADMINISTRATOR = "administrator"  # an access token for the issuer alone, with the scope jotgate:admin


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table. `path` may hold one `{name}`, which is one segment of any text."""

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    answer: type[Struct] | None = None
    status: HTTPStatus = HTTPStatus.OK
    body: type[Struct] | None = None
    who: Who = Who.ANYBODY
    query: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()  # of these names, those that may stand several times
    headers: tuple[str, ...] = ()  # that the answer may carry
    errors: tuple[type[JotgateError], ...] = ()
    form: bool = False  # the body may be an HTML form too
    body_needed: bool = True
    media: str = "application/json"
    needs_start: bool = True  # whether the database must be open
    quiet: bool = False  # probes are many and say nothing
