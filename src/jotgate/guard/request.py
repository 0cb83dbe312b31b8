"""The one credential of a request, and what a cookie takes besides (RFC 6750 section 2, CONTRACT.md "Cookie mode").

    credential                       besides
    -----------------------------    -------------------------------------------------------------------------
    Authorization header             nothing: no other site's page can send it
    cookie, safe method              nothing
    cookie, any other method         same origin or a listed one, and the token's `csrf` claim in X-CSRF-Token
    cookie, WebSocket                same origin or a listed one
    subprotocol, WebSocket           nothing: `bearer.TOKEN`, for browsers, which cannot send the header there
    two of them that differ          CredentialsAmbiguous

Every framework gives the same few facts of a request; its adapter fills them in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jotgate.errors import CredentialsAmbiguous
from jotgate.guard.options import Options
from jotgate.guard.principal import Principal
from jotgate.wire import bearer, crosssite
from jotgate.wire.bearer import Credentials

WEBSOCKET = "WEBSOCKET"


@dataclass(frozen=True, slots=True)
class Facts:
    """A request as a guard sees it. `every` gives all values of a header, named in lower case."""

    method: str  # `WEBSOCKET` for a handshake
    scheme: str
    every: Callable[[str], Sequence[str]]


def credentials(facts: Facts, options: Options) -> Credentials | None:
    """The token and where it stood; None: there is none. Raises `CredentialsAmbiguous`, `Malformed`."""
    cookie = None if options.cookie is None else one_cookie(facts.every("cookie"), options.cookie)
    found = bearer.from_request(facts.every("authorization"), cookie)
    if facts.method != WEBSOCKET:
        return found
    offered = bearer.from_subprotocols(
        [name.strip(" \t") for value in facts.every("sec-websocket-protocol") for name in value.split(",")]
    )
    if offered is None:
        return found
    if found is not None and found.token != offered:
        raise CredentialsAmbiguous("the subprotocol carries another token")
    return Credentials(offered, "subprotocol")


def check_site(facts: Facts, principal: Principal, options: Options) -> None:
    """Return if this browser's page may do this, for a token that came by cookie. Raises `CrossSite`."""
    origin, site = _only(facts.every("origin")), _only(facts.every("sec-fetch-site"))
    here = crosssite.origin_of(facts.scheme, _only(facts.every("host")) or "")
    if facts.method == WEBSOCKET:
        crosssite.check_origin(
            WEBSOCKET, origin=origin, sec_fetch_site=site, host_origin=here, allowed_origins=options.origins
        )
        return
    claim = principal.claims.get("csrf")
    crosssite.check(
        facts.method,
        origin=origin,
        sec_fetch_site=site,
        host_origin=here,
        allowed_origins=options.origins,
        csrf_claim=claim if isinstance(claim, str) else None,
        csrf_header=_only(facts.every("x-csrf-token")),
    )


def one_cookie(headers: Sequence[str], wanted: str) -> str | None:
    """The value of the cookie of this name. Raises `CredentialsAmbiguous` when it is there twice."""
    found = [
        value.strip(" \t")
        for header in headers
        for name, _, value in (pair.strip(" \t").partition("=") for pair in header.split(";"))
        if name == wanted
    ]
    if len(found) > 1:
        raise CredentialsAmbiguous("the cookie is there twice")
    return found[0] if found else None


def _only(values: Sequence[str]) -> str | None:
    """What is there twice is nobody's origin."""
    return ", ".join(values) if values else None
