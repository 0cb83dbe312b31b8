"""The address: taken at once, listened to when there is somebody to serve."""

import socket
from contextlib import closing

import pytest

from jotgate.cli.listen import bind, bound_port, open_to_all
from jotgate.errors import StartError


def connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_whoever_comes_before_it_is_open_is_refused_and_not_kept_waiting() -> None:
    with closing(bind("127.0.0.1", 0)) as listener:
        with pytest.raises(ConnectionRefusedError):
            connect(bound_port(listener))

        open_to_all(listener)

        connect(bound_port(listener))


def test_an_address_that_somebody_listens_on_is_refused_at_once() -> None:
    with closing(bind("127.0.0.1", 0)) as first:
        open_to_all(first)

        with pytest.raises(StartError, match="in use by another program"):
            bind("127.0.0.1", bound_port(first))


def test_of_two_that_take_an_address_at_the_same_time_one_hears_why_it_cannot() -> None:
    with closing(bind("127.0.0.1", 0)) as first, closing(bind("127.0.0.1", bound_port(first))) as second:
        open_to_all(first)

        with pytest.raises(StartError, match="in use by another program"):
            open_to_all(second)
