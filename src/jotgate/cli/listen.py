"""The address to listen on: taken before anything else is started, listened to when all is.

Whoever comes before that is refused, and asks another node. A connection that was taken and left waiting would be
served after its client has given up: a request that has been repeated elsewhere meanwhile.
"""

import errno
import socket

from jotgate.errors import StartError

BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """A bound socket, to be opened. Raises `StartError` that says what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise StartError(f"{host} is no address of this machine: set JOTGATE_HOST to one") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StartError(_why_not(error, host, port)) from None
    listener.setblocking(False)
    return listener


def open_to_all(listener: socket.socket) -> None:
    """From now on connections are taken. Raises `StartError`."""
    try:
        listener.listen(BACKLOG)
    except OSError as error:  # another program took the address at the same time, and was quicker
        raise StartError(_why_not(error, *listener.getsockname()[:2])) from None


def hold(listener: socket.socket) -> socket.socket:
    """In its place a socket that listens to nobody, and keeps its port for those that share it (SO_REUSEPORT)."""
    address = listener.getsockname()
    held = socket.socket(listener.family, listener.type, listener.proto)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.close()
    try:
        held.bind(address)
    except OSError as error:  # somebody was quick
        held.close()
        raise StartError(_why_not(error, *address[:2])) from None
    return held


def bound_port(listener: socket.socket) -> int:
    """The port, also where any free one was asked for."""
    return int(listener.getsockname()[1])


def _why_not(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is in use by another program: end it, or choose another port with --port"
        case errno.EACCES:
            return f"this user may not listen on port {port}: choose one from 1024 up with --port"
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine: set JOTGATE_HOST to one"
        case _:
            return f"{host}:{port} cannot be listened on ({error.strerror})"
