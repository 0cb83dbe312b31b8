"""jotgate: login, tokens and permissions for Python services.

    from jotgate import Guard, Principal, GuardMiddleware    # any service: who is asking, offline
    from jotgate import ClientSession, TokenAuth             # whoever calls: log in, and stay so; needs jotgate[client]
    from jotgate import create_app                           # the issuer, an ASGI application; needs jotgate[server]
    from jotgate import TokenError, Forbidden                # and the other errors; all of them in jotgate.errors

Each name is loaded when it is first used, so that a guard needs no server and `jotgate --help` nearly nothing. The
types stand in the stub beside this file.
"""

from importlib import import_module
from typing import Any

_ERRORS = (
    "AudienceMismatch",
    "ClaimsStale",
    "CredentialsAmbiguous",
    "CrossSite",
    "Expired",
    "Forbidden",
    "GrantError",
    "IssuerMismatch",
    "JotgateError",
    "KeysUnavailable",
    "LoginError",
    "Malformed",
    "NewsStale",
    "NotYetValid",
    "Revoked",
    "RoleMissing",
    "ScopeMissing",
    "SettingsError",
    "SignatureInvalid",
    "Throttled",
    "TokenError",
    "TokenMissing",
    "TypeMismatch",
    "Unavailable",
    "UnknownKey",
)
_HOMES = {
    "ClientSession": "jotgate.client.session",
    "Guard": "jotgate.guard.guard",
    "GuardMiddleware": "jotgate.guard.asgi",
    "Principal": "jotgate.guard.principal",
    "TokenAuth": "jotgate.client.auth",
    "create_app": "jotgate.assemble",
} | dict.fromkeys(_ERRORS, "jotgate.errors")


_MODULES = ("errors", "jose")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"jotgate.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'jotgate' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
