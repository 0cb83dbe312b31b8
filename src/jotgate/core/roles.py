"""Roles to permissions, and permissions to the scope of a token.

    held            wanted           granted
    ----            ------           -------
    members:read    members:read     members:read
    members:*       members:read     members:read
    members:read    members:*        members:read
    members:*       members:*        members:*
    members:read    payments:read    nothing

A permission is a scope (RFC 6749 section 3.3); a `*` at its end, after a colon, stands for everything below. A bare `*`
is refused: it would silently hold what is added later, administration included.
"""

import re
from collections.abc import Iterable, Mapping

from jotgate.wire.scopes import matches

__all__ = [
    "ADMIN_PERMISSION",
    "ADMIN_ROLE",
    "matches",
    "narrow",
    "permissions_of",
    "valid_permission",
    "valid_role_name",
]

ADMIN_ROLE = "admin"
ADMIN_PERMISSION = "jotgate:admin"
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)
_PERMISSION = re.compile(r"(?=.{1,128}\Z)[!#-)+-\[\]-~]+(?:(?<=:)\*)?")


def valid_role_name(name: str) -> bool:
    """Up to 64 letters, digits and `_ . : -`, starting with a letter or digit."""
    return _ROLE.fullmatch(name) is not None


def valid_permission(permission: str) -> bool:
    """A scope of up to 128 characters, with `*` at most at its end after a colon."""
    return _PERMISSION.fullmatch(permission) is not None


def permissions_of(roles: Iterable[str], table: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """All that these roles give, sorted; a role that is not in the table gives nothing."""
    return tuple(sorted({permission for role in roles for permission in table.get(role, ())}))


def narrow(permissions: Iterable[str], scope: str | None) -> tuple[str, ...]:
    """What of the permissions was asked for, sorted; `scope`: separated by spaces, None: all of them."""
    held = set(permissions)
    if scope is None:
        return tuple(sorted(held))
    asked = scope.split()
    granted = {want for want in asked if any(matches(have, want) for have in held)}
    granted |= {have for have in held if any(matches(want, have) for want in asked)}
    return tuple(sorted(granted))
