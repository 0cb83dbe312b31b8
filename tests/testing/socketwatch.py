"""Notes and refuses every socket that a process opens; loaded by a .pth file in the environments of `elsewhere`.

    JOTGATE_TEST_SOCKETS    allowed
    --------------------    ------------------------------------------
    none                    the pair that wakes an event loop, no other
    loopback                also those that stay on this machine

What is refused is written to the file that JOTGATE_TEST_SOCKETS_LOG names, for whoever swallows the error.
"""

import os
import socket
import sys
from pathlib import Path

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ALLOWS_LOOPBACK = os.environ.get("JOTGATE_TEST_SOCKETS") == "loopback"
_LOG = os.environ.get("JOTGATE_TEST_SOCKETS_LOG")


def is_refused(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether an audited event reaches for the network."""
    if event == "socket.__new__":
        return not _ALLOWS_LOOPBACK and arguments[1] in (socket.AF_INET, socket.AF_INET6)
    if event in {"socket.connect", "socket.bind", "socket.sendto"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
        host = arguments[0]
    else:
        return False
    return host is not None and not (_ALLOWS_LOOPBACK and host in LOOPBACK)


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """The audit hook."""
    if event.startswith("socket.") and is_refused(event, arguments):
        if _LOG is not None:
            with Path(_LOG).open("a") as log:
                log.write(f"{event} {arguments}\n")
        raise PermissionError(f"{event} {arguments}")


if __name__ != "tests.testing.socketwatch":
    sys.addaudithook(watch)
