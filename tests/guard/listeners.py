"""Guards that listen to NATS, looked at from outside, and an issuer that beats."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from jotgate.errors import Revoked
from jotgate.guard.courier import Courier
from jotgate.guard.guard import Guard
from tests.guard.newsroom import press
from tests.guard.standin import StandIn


@contextmanager
def beating(issuer: StandIn, url: str) -> Iterator[None]:
    """The issuer says every 100 ms how far its feed reaches, as long as the server takes it."""
    over = Event()

    def go() -> None:
        while not over.is_set():
            try:
                with press(url) as made:
                    while not over.wait(0.1):
                        made.beat(issuer)
            except OSError:
                over.wait(0.05)

    thread = Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def courier_of(guard: Guard) -> Courier:
    assert guard._courier is not None
    return guard._courier


def is_live(guard: Guard) -> bool:
    feed = courier_of(guard)._feed
    return feed is not None and feed.is_live


def listens(guard: Guard) -> bool:
    return guard.status().nats == "open"


def is_refused(guard: Guard, token: str) -> bool:
    try:
        guard.verify(token)
    except Revoked:
        return True
    return False
