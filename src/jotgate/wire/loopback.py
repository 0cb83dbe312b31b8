"""Loopback: the only place to which plain http may be spoken: nobody else listens there (RFC 6750 section 5.3)."""

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Whether this is the machine itself, by name or by address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
