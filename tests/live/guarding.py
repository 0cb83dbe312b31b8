"""A guard in this process, the issuer in another: how long until it refuses."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from jotgate import Guard
from jotgate.errors import TokenError

PATIENCE_SECONDS = 10.0


@contextmanager
def guarding(issuer: str) -> Iterator[Guard]:
    """A guard that hears of revocations."""
    guard = Guard(issuer=issuer, revocation="push")
    try:
        yield guard
    finally:
        guard.close()


def refusal(guard: Guard, token: str) -> tuple[float, TokenError]:
    """Seconds from now until the guard refuses the token, and why."""
    started = time.monotonic()
    while (waited := time.monotonic() - started) < PATIENCE_SECONDS:
        try:
            guard.verify(token)
        except TokenError as error:
            return waited, error
        time.sleep(0.005)
    raise AssertionError(f"the guard still accepts the token after {PATIENCE_SECONDS} s")
