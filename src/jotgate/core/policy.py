"""The numbers and choices of an operator, and the profiles that name sets of them.

    profile      prefix    login by           access    signed    refresh     state    names    claims
    -------      ------    --------           ------    ------    -------     -----    -----    ------
    standard     /auth     email, username    15 min    ES256     rotating    yes      oauth
    stateless    /auth     username, email    24 h      ES256     off         none     oauth    role
    classic      /auth     username           1 h       HS256     off         none     oauth    user_id name role email
    camel                  username           1 h       ES256     rotating    yes      camel    name email role

State: sessions, revocation, and logout as an endpoint. A profile is a set of defaults; each part can be chosen alone,
and what was not chosen follows: switching refresh or sessions on brings all state, switching sessions off takes it away
with refresh. Choices that contradict each other are complaints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Literal

MINUTE, HOUR, DAY = 60, 3600, 86400
MAX_ACCESS_TTL = DAY  # a guard's ceiling on exp - iat
LEEWAY = 60  # what any guard may add to an expiry
MIN_PASSWORD_LENGTH = 8  # SP 800-63B section 3.1.1.2
SKEW = 120  # how far clocks of nodes and guards may differ

_ELLIPTIC = ("ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_OTHERS = ("RS256", "PS256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "HS256", "HS384", "HS512")
ALGORITHMS = _ELLIPTIC + _OTHERS
EXTRA_CLAIMS = ("user_id", "name", "role", "email", "preferred_username")
IDENTIFIERS = ("email", "username")


@dataclass(frozen=True, slots=True)
class Policy:
    """What flows go by. Spans in seconds."""

    issuer: str
    audience: tuple[str, ...]  # all that this issuer serves; a login may ask for fewer
    profile: str = "standard"
    prefix: str = "/auth"
    login_identifiers: tuple[str, ...] = IDENTIFIERS
    registration: Literal["open", "closed"] = "closed"
    password_min_length: int = 12
    password_max_length: int = 256
    algorithm: str = "ES256"
    access_ttl: int = 15 * MINUTE
    refresh: bool = True
    refresh_ttl: int = 30 * DAY  # absolute
    refresh_idle: int = 14 * DAY
    grace: int = 30
    recovery: int = DAY
    sessions: bool = True
    revocation: bool = True
    logout: bool = True
    transport: Literal["bearer", "cookie", "both"] = "bearer"
    response_names: Literal["oauth", "camel"] = "oauth"
    extra_claims: tuple[str, ...] = ()
    key_interval: int = 90 * DAY  # how long a key signs
    key_lead: int = HOUR  # how long a key is published before it signs

    @property
    def symmetric(self) -> bool:
        """Whether guards hold the signing secret themselves: then administration is refused."""
        return is_symmetric(self.algorithm)


def is_symmetric(algorithm: str) -> bool:
    """Whether who can verify can also sign."""
    return algorithm.startswith("HS")


_NO_STATE = {"refresh": False, "sessions": False, "revocation": False, "logout": False}

PROFILES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "standard": {},
        "stateless": {
            **_NO_STATE,
            "login_identifiers": ("username", "email"),
            "access_ttl": 24 * HOUR,
            "extra_claims": ("role",),
        },
        "classic": {
            **_NO_STATE,
            "login_identifiers": ("username",),
            "access_ttl": HOUR,
            "algorithm": "HS256",
            "extra_claims": ("user_id", "name", "role", "email"),
        },
        "camel": {
            "prefix": "",
            "login_identifiers": ("username",),
            "access_ttl": HOUR,
            "response_names": "camel",
            "extra_claims": ("name", "email", "role"),
        },
    }
)


def policy_for(issuer: str, profile: str = "standard", **chosen: Any) -> Policy:
    """A profile's policy with the parts that were chosen alone; names are those of `Policy`'s fields."""
    facts: dict[str, Any] = {"audience": (issuer,), **PROFILES[profile], **_followers(chosen), **chosen}
    return Policy(issuer=issuer, profile=profile, **facts)


def _followers(chosen: Mapping[str, Any]) -> dict[str, bool]:
    """What a choice about state brings along, for the parts that were not chosen."""
    if chosen.get("sessions") is False:
        return {"refresh": False, "revocation": False, "logout": False}
    if chosen.get("sessions") or chosen.get("refresh"):
        return {"sessions": True, "revocation": True, "logout": True}
    return {}


def complaints(policy: Policy) -> tuple[str, ...]:
    """Every combination that cannot work, one sentence each, naming the setting; () when all is well."""
    return tuple(sentence for wrong, sentence in _rules(policy) if wrong)


def _rules(policy: Policy) -> tuple[tuple[bool, str], ...]:
    lengths = (policy.password_min_length, policy.password_max_length)
    return (
        (
            not 1 <= policy.access_ttl <= MAX_ACCESS_TTL,
            f"ACCESS_TTL is {policy.access_ttl}: 1 to {MAX_ACCESS_TTL} seconds, more is refused by every guard",
        ),
        (policy.refresh and not policy.sessions, "REFRESH is rotating but SESSIONS is off: rotation needs sessions"),
        (policy.revocation and not policy.sessions, "REVOCATION is on but SESSIONS is off: there is nothing to revoke"),
        (policy.logout and not policy.sessions, "LOGOUT is on but SESSIONS is off: there is nothing to end"),
        (
            policy.refresh and policy.refresh_ttl < policy.access_ttl,
            f"REFRESH_TTL is {policy.refresh_ttl}: at least ACCESS_TTL, which is {policy.access_ttl}",
        ),
        (
            policy.refresh and policy.refresh_idle < policy.access_ttl,
            f"REFRESH_IDLE is {policy.refresh_idle}: at least ACCESS_TTL, which is {policy.access_ttl}",
        ),
        (
            policy.recovery != 0 and policy.recovery < policy.grace,
            f"REFRESH_RECOVERY is {policy.recovery}: 0 (off), or at least REFRESH_GRACE, which is {policy.grace}",
        ),
        (min(policy.grace, policy.recovery) < 0, "REFRESH_GRACE and REFRESH_RECOVERY are seconds, 0 or more"),
        (policy.algorithm not in ALGORITHMS, f"ALGORITHM is {policy.algorithm}: one of {', '.join(ALGORITHMS)}"),
        (
            not MIN_PASSWORD_LENGTH <= lengths[0] <= lengths[1],
            f"PASSWORD_MIN_LENGTH is {lengths[0]}: {MIN_PASSWORD_LENGTH} to {lengths[1]}",
        ),
        (
            not policy.login_identifiers or not set(policy.login_identifiers) <= set(IDENTIFIERS),
            f"LOGIN_IDENTIFIERS: one or both of {', '.join(IDENTIFIERS)}",
        ),
        (
            not set(policy.extra_claims) <= set(EXTRA_CLAIMS),
            f"EXTRA_CLAIMS: any of {', '.join(EXTRA_CLAIMS)}",
        ),
        (
            policy.key_lead < HOUR,
            f"KEY_LEAD is {policy.key_lead}: at least {HOUR} seconds, for guards to fetch the next key",
        ),
        (not policy.audience, "AUDIENCE is empty: name at least one audience"),
    )


FIELDS = frozenset(field.name for field in fields(Policy))
