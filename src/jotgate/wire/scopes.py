"""Scopes as patterns: what an issuer grants, a guard must read in the same way (RFC 6749 section 3.3).

held            wanted            match
----            ------            -----
members:read    members:read      yes
members:*       members:read      yes
members:*       members:a:b       yes
members:*       members           no
members:read    members:*         no
"""


def matches(held: str, wanted: str) -> bool:
    """Whether holding `held` is enough where `wanted` is asked for."""
    return held == wanted or (held.endswith(":*") and wanted.startswith(held[:-1]) and len(wanted) >= len(held))
