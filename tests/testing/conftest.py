"""An issuer for guards of its own, so that guards of other tests in this process do not matter."""

from collections.abc import Iterator

import pytest

from jotgate.guard.guard import Guard
from jotgate.testing import TestIssuer

ISSUER = "https://auth.example.com"


@pytest.fixture
def guard() -> Guard:
    return Guard(ISSUER, audience="gym")


@pytest.fixture
def issuer(guard: Guard) -> Iterator[TestIssuer]:
    with TestIssuer(guard) as issuer:
        yield issuer
