"""What a guard listens to beside HTTP: nothing, or NATS, where it was told of servers.

state    what comes
-----    ---------------------------------------------------
off      nothing: no servers are known
away     nothing now: HTTP alone, until there is a connection
open     batches of the feed (`batches`)
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from jotgate.errors import SettingsError
from jotgate.guard.batches import Batches

State = Literal["off", "away", "open"]


class Ear(Protocol):
    """Listens in a thread of its own."""

    @property
    def state(self) -> State:
        """As the table above says."""

    @property
    def problem(self) -> str:
        """Why nothing comes, for people."""

    @property
    def refused(self) -> int:
        """How many messages were not believed."""

    def begin(self) -> None:
        """Listen, unless that is done already."""

    def end(self) -> None:
        """Listen no more. Waits for nothing."""

    def after_fork(self) -> None:
        """In the child: who listened stayed with the parent."""


class Deaf:
    """Listens to nothing."""

    state: State = "off"
    problem = ""
    refused = 0

    def begin(self) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""

    def after_fork(self) -> None:
        """Nothing."""


def ear(servers: Sequence[str], batches: Callable[[], Batches], *, lost: Callable[[], None]) -> Ear:
    """What hands `batches` what comes from the servers, and says when they are `lost`. Raises `SettingsError`."""
    if not servers:
        return Deaf()
    try:
        from jotgate.guard.natsfeed import NatsFeed
    except ImportError as error:
        raise SettingsError((f"feed: needs nats-py: pip install 'jotgate[nats]' ({error})",)) from error
    return NatsFeed(servers, batches(), lost=lost)
