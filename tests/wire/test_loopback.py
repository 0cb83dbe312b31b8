"""Which hosts are the machine itself."""

import pytest

from jotgate.wire.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.0.9", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", None, "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "0.0.0.0", "::", "[::1]", "127.1"]
)
def test_another_one(host: str | None) -> None:
    assert not is_loopback(host)
