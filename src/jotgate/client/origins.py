"""Where an access token may go: to the services it is for, and to nobody in between (RFC 6750 section 5.3).

    origin of the request             only=[...] names it    only=[...] does not    without `only`
    ------------------------------    -------------------    -------------------    --------------
    https                             sent                   not sent               sent
    plain http on loopback            sent                   not sent               sent
    plain http elsewhere              sent                   not sent               Misuse

Not sent: the request goes without credentials. Plain http in a network of one's own has to be named.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from jotgate.errors import Misuse
from jotgate.wire.crosssite import origin_of
from jotgate.wire.loopback import is_loopback

_SCHEMES: Final = frozenset({"http", "https"})


class Reach:
    """Which origins get the token."""

    def __init__(self, only: str | Iterable[str] | None) -> None:
        """Raises `Misuse` for what is no origin."""
        given = (only,) if isinstance(only, str) else only
        self._only = None if given is None else frozenset(map(_named, given))

    def covers(self, url: str) -> bool:
        """Whether a request to this URL carries the token. Raises `Misuse`."""
        origin = _origin(url)
        if self._only is not None:
            return origin in self._only
        parts = urlsplit(url)
        if parts.scheme.lower() != "https" and not is_loopback(parts.hostname):
            raise Misuse(f"the access token would go to {origin} unencrypted: name it in only=[...] if that is meant")
        return True


def _named(text: str) -> str:
    origin = _origin(text)
    if urlsplit(text).path.rstrip("/") or origin.partition("://")[0] not in _SCHEMES:
        raise Misuse(f"only: {text!r} is no origin such as https://api.example.com")
    return origin


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return origin_of(parts.scheme, parts.netloc.rpartition("@")[2])
