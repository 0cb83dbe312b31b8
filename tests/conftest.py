"""What all tests share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are often made up anew: their place in the row names them, the same in every worker."""
    return argname if isinstance(val, bytes) else None
