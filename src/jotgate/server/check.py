"""Forward authentication: a proxy asks whether the request in its hands may pass (nginx, Traefik, Caddy).

    the original request                            answer
    --------------------                            ------
    a good token, and what the query asks of it     204, and who it is in X-Auth-* headers
    no access token, or one that is refused         401 with the challenge
    its login is longer ago than `max_age`          401 with the challenge of RFC 9470
    a role or scope is missing                      403
    by cookie, and another site's page may be it    403
    (a query that is not understood)                422: what the operator misspelt lets nobody in

The proxy passes the client's headers on, and the method of the original request in `X-Forwarded-Method` or
`X-Original-Method`. It counts for cookies alone: a request that may change state must show what it would show to us.
Where the method is unknown, or of several said not every one is safe, it may change state. Host, scheme and address of
the original request are not believed, for nothing depends on them: a cookie serves our own origin and the listed ones.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from jotgate.errors import AudienceMismatch, Invalid
from jotgate.guard.principal import Principal, Requirement
from jotgate.guard.request import WEBSOCKET
from jotgate.server.access import came_by_cookie
from jotgate.server.gate import Gate
from jotgate.server.headers import Header
from jotgate.server.reply import Reply, no_content
from jotgate.server.request import Request
from jotgate.wire.crosssite import SAFE_METHODS

REPEATED: Final = ("role", "scope", "audience")
QUERY: Final = (*REPEATED, "match", "max_age")
IDENTITY: Final[Mapping[str, str]] = {  # header -> claim
    "X-Auth-Subject": "sub",
    "X-Auth-Session": "sid",
    "X-Auth-Roles": "roles",
    "X-Auth-Scope": "scope",
    "X-Auth-Username": "preferred_username",
    "X-Auth-Email": "email",
    "X-Auth-Name": "name",
}
_METHODS = (b"x-forwarded-method", b"x-original-method")
_HANDSHAKE = (b"sec-websocket-key", b"sec-websocket-version")  # these reach us where a proxy drops `Upgrade`
_SECONDS = re.compile(r"[1-9][0-9]{0,8}")
_LONGEST = 256  # characters of one name
_AS_IT_IS = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"  # printable ASCII but `%`, and what `quote` never touches


@dataclass(frozen=True, slots=True)
class Asked:
    """What the query asks of the token."""

    audiences: tuple[str, ...]  # one of them must be in `aud`
    requirement: Requirement | None


async def check(gate: Gate, request: Request) -> Reply:
    """GET {prefix}/check."""
    who = request.who
    asked = read(request.pairs(repeated=REPEATED), audience=gate.policy.issuer)
    if not set(asked.audiences) & set(who.claims["aud"]):
        raise AudienceMismatch("aud names none of the audiences that are asked for")
    if came_by_cookie(gate, request):
        csrf = who.claims.get("csrf")
        gate.browser.check_forwarded(request, csrf if isinstance(csrf, str) else None, method=counts_as(request))
    if asked.requirement is not None:
        asked.requirement.check(who, now=gate.env.clock())
    return no_content(identity(who))


def read(pairs: Sequence[tuple[str, str]], *, audience: str) -> Asked:
    """The query as a demand; `audience` is who is asked for where none is named. Raises `Invalid`."""
    named: dict[str, list[str]] = {name: [] for name in QUERY}
    for name, value in pairs:
        if name not in named:
            raise Invalid(f"{name[:64]}: is not known here", field=name[:64])
        named[name] += _names(name, value)
    requirement = Requirement.maybe(
        role=tuple(named["role"]),
        scope=tuple(named["scope"]),
        match=_match(named["match"]),
        max_age=_max_age(named["max_age"]),
    )
    return Asked(tuple(named["audience"]) or (audience,), requirement)


def counts_as(request: Request) -> str:
    """What kind of method the original request has: `WEBSOCKET` for a handshake, GET for what is safe, else POST."""
    said = {value for name in _METHODS for value in request.every(name)}
    if said and said <= {"GET", "CONNECT"} and any(name in request.fields for name in _HANDSHAKE):
        return WEBSOCKET
    return "GET" if said and said <= SAFE_METHODS else "POST"


def identity(who: Principal) -> tuple[Header, ...]:
    """Who it is, in ASCII: anything else is percent-encoded UTF-8, and so are `%` and the comma in a role.

    Every header is there, empty where the token does not say, so that no proxy has to know what to do with one that is
    missing: Caddy before 2.10 hands on the name of its variable then.
    """
    told = {header: _text(who.claims.get(claim)) for header, claim in IDENTITY.items()}
    return tuple((header.lower().encode(), value.encode("ascii")) for header, value in told.items())


def _text(claim: Any) -> str:
    if isinstance(claim, str):
        return quote(claim, safe=_AS_IT_IS)
    if isinstance(claim, tuple):
        return ",".join(quote(name, safe=_AS_IT_IS.replace(",", "")) for name in claim)
    return ""


def _names(name: str, value: str) -> list[str]:
    """Scopes may also stand in one text with spaces between (RFC 6749 section 3.3)."""
    names = value.split(" ") if name == "scope" else [value]
    if not all(each and len(each) <= _LONGEST and each.isprintable() for each in names):
        raise Invalid(f"{name}: is empty, too long or not printable", field=name)
    return names


def _match(values: Sequence[str]) -> Literal["all", "any"]:
    match values:
        case [] | ["all"]:
            return "all"
        case ["any"]:
            return "any"
    raise Invalid("match: all or any", field="match")


def _max_age(values: Sequence[str]) -> int | None:
    """Seconds since the login at most (RFC 9470)."""
    match values:
        case []:
            return None
        case [seconds] if _SECONDS.fullmatch(seconds):
            return int(seconds)
    raise Invalid("max_age: seconds, 1 or more", field="max_age")
