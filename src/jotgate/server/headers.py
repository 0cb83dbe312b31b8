"""What stands in the headers of every answer, and what we believe of those that come in.

    answer to            Cache-Control    Content-Security-Policy
    ---------            -------------    -----------------------
    anything             no-store         nothing may load, nobody may frame it
    public keys & co.    the route's own  the same
    a page               no-store         the same, but its own style sheet and a form to ourselves

HSTS is added where the issuer is on https. CORS is a list (Fetch standard section 3.2): an origin that is not on it
hears nothing about it, `*` does not exist.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Header = tuple[bytes, bytes]
Network = IPv4Network | IPv6Network

NO_STORE: Header = (b"cache-control", b"no-store")
_COMMON: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
_CSP = b"default-src 'none'; frame-ancestors 'none'"
_EXPOSED = b"WWW-Authenticate, Retry-After, ETag, Date"
_PREFLIGHT_HEADERS = b"Authorization, Content-Type, X-CSRF-Token"
_PREFLIGHT_SECONDS = b"600"
_REMEMBERED_ADDRESSES, _REMEMBERED_LENGTH = 4096, 200  # a longer chain of proxies is worked out each time


def security(*, secure: bool, style: str | None = None) -> tuple[Header, ...]:
    """The headers of every answer; `style` is the hash of a page's style sheet, as in `sha256-...`."""
    policy = _CSP
    if style is not None:
        policy += f"; style-src '{style}'; form-action 'self'; base-uri 'none'".encode()
    headers = (*_COMMON, (b"content-security-policy", policy))
    return (*headers, _HSTS) if secure else headers


@dataclass(frozen=True, slots=True)
class Cors:
    """Origins whose pages may read our answers; with cookies only where cookies are a transport."""

    origins: frozenset[bytes]
    credentials: bool

    def answer(self, origin: bytes | None) -> tuple[Header, ...]:
        """For the answer to a request with this `Origin`."""
        if not self.origins:
            return ()
        if origin not in self.origins:
            return ((b"vary", b"Origin"),)
        allowed: tuple[Header, ...] = (
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
        )
        return (*allowed, (b"access-control-allow-credentials", b"true")) if self.credentials else allowed

    def preflight(self, origin: bytes | None, methods: Sequence[str]) -> tuple[Header, ...]:
        """What `answer` does not say already, for OPTIONS with `Access-Control-Request-Method`."""
        if not self.origins or origin not in self.origins:
            return ()
        return (
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", _PREFLIGHT_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        )


def address_finder(trusted: Sequence[Network]) -> Callable[[str, str], str]:
    """`client_address` behind these proxies: from a peer and its forwarded addresses; it remembers what it found."""
    find = partial(client_address, trusted=trusted)
    remembered = lru_cache(_REMEMBERED_ADDRESSES)(find)
    return lambda peer, forwarded: (remembered if len(forwarded) <= _REMEMBERED_LENGTH else find)(peer, forwarded)


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Who is asking: the peer, or, right to left through proxies that we trust, whom the last of them names."""
    if not trusted:
        return peer
    address = _address(peer)
    for hop in reversed(forwarded_for.split(",")):
        if address is None or not any(address in network for network in trusted):
            break
        named = _address(hop.strip())
        if named is None:  # garbage below this proxy: it is the last one that we know
            break
        address = named
    return peer if address is None else str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, `v4:port`, `[v6]`, `[v6]:port`; IPv4 in IPv6 is IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
