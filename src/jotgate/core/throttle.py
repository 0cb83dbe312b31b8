"""How long the next guess must wait: failures only, counted by GCRA, a leaky bucket whose whole state is one number.

    counted by             free at first    then one every    why
    ----------             -------------    --------------    ---
    account and network    5                5 s               people mistype
    account and network    10               1 min             people who go on have forgotten
    account and network    30               15 min            this is a machine: about 100 guesses a day
    network                30               2 s               an office behind one address still gets in
    account                100              30 s              many networks, one account
    account and site       100              30 s              65,536 networks come with one IPv6 site (/48)

The first three make the delay grow. That of the account alone is asked only of a network that failed at this account
within the last quarter of an hour: whoever comes from elsewhere, as the owner does, always has a first try, so that no
number of strangers locks the owner out. What it costs: each address of a botnet has one guess in a quarter of an hour,
not none. A site is no crowd of strangers: it is like one IPv4 address that many share.

The number is the "theoretical arrival time": when everything that was counted has leaked away.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil

from msgspec import Struct

PAIR_TIERS = ((5, 5.0), (10, 60.0), (30, 900.0))  # failures that are free, seconds for each one after
NETWORK_TIER = (30, 2.0)
ACCOUNT_TIER = (100, 30.0)
SITE_TIER = (100, 30.0)
_V6_SITE_BITS = 48  # what anybody can have for the asking (RFC 6177)
_V6_NETWORK_BITS = 64  # what one customer gets at least: a single machine can use all of it


class Limit(Struct, frozen=True):
    """One count: `burst` failures are free, after them one every `seconds`."""

    key: bytes  # does not show who is meant
    burst: int
    seconds: float
    only_after: bytes | None = None  # asked only while this other key has failures of its own


def wait(tat: float | None, limit: Limit, *, now: float) -> float:
    """Seconds until the next try; 0.0: now. `tat`: what `fail` gave last, None: nothing is counted."""
    return 0.0 if tat is None else max(0.0, tat - (limit.burst - 1) * limit.seconds - now)


def fail(tat: float | None, limit: Limit, *, now: float) -> float:
    """The count with one failure more; it can be forgotten when `now` has reached it."""
    return max(tat or 0.0, now) + limit.seconds


def forgive(tat: float, limit: Limit) -> float:
    """The count with one failure less, which was none."""
    return tat - limit.seconds


def longest_wait(limits: Sequence[Limit], counted: Callable[[bytes], float | None], *, now: float) -> int:
    """Whole seconds until all limits allow a try, 0: now. `counted` gives a key's number, None where there is none."""
    waits = (
        wait(counted(limit.key), limit, now=now)
        for limit in limits
        if limit.only_after is None or (counted(limit.only_after) or 0.0) > now
    )
    return ceil(max(waits, default=0.0))


def limits_for(account: str, network: str, *, blind: Callable[[str], bytes]) -> tuple[Limit, ...]:
    """What a failed login of `account` (normalised) from `network` counts against; `blind`: a keyed hash."""
    pair = blind(f"pair {network} {account}")
    tiers = tuple(Limit(pair + bytes([tier]), *numbers) for tier, numbers in enumerate(PAIR_TIERS))
    by_network = Limit(blind(f"network {network}"), *NETWORK_TIER)
    by_account = Limit(blind(f"account {account}"), *ACCOUNT_TIER, only_after=tiers[-1].key)
    limits = (*tiers, by_network, by_account)
    site = _site(network)
    return limits if site is None else (*limits, Limit(blind(f"site {site} {account}"), *SITE_TIER))


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Who counts as one: an IPv4 address, or the /64 of an IPv6 address; text that is neither stands for itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, _V6_NETWORK_BITS), strict=False))


def _site(network: str) -> str | None:
    """The /48 that an IPv6 network lies in; None: it is none."""
    if "/" not in network:
        return None
    try:
        return str(IPv6Network(network).supernet(new_prefix=_V6_SITE_BITS))
    except ValueError:
        return None
