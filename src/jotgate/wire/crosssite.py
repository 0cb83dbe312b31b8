"""May this browser request change state? Fetch Metadata and Origin, and the csrf value; what is not known is refused.

    Sec-Fetch-Site           Origin                decision
    --------------           ------                --------
    anything                 a listed one          yes
    same-origin              absent, or the host   yes
    absent (old browser)     the host              yes
    absent                   absent                no
    same-origin              another one, null     no
    same-site, cross-site    anything else         no
    none, unknown            anything else         no

Methods that are safe (RFC 9110 section 9.2.1) change nothing and are not asked; a WebSocket handshake is no such
method: pass it as `WEBSOCKET`.
"""

from collections.abc import Collection
from hmac import compare_digest

from jotgate.errors import CrossSite

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "X-CSRF-Token"
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def check(
    method: str,
    *,
    origin: str | None,
    sec_fetch_site: str | None,
    host_origin: str,
    allowed_origins: Collection[str],
    csrf_claim: str | None,
    csrf_header: str | None,
) -> None:
    """For a request that authenticates by cookie: same origin, the token's `csrf` sent along. Raises `CrossSite`."""
    if method.upper() in SAFE_METHODS:
        return
    check_origin(
        method,
        origin=origin,
        sec_fetch_site=sec_fetch_site,
        host_origin=host_origin,
        allowed_origins=allowed_origins,
    )
    if not csrf_claim or not csrf_header or not compare_digest(_bytes(csrf_claim), _bytes(csrf_header)):
        raise CrossSite(f"{CSRF_HEADER} is missing or is not the token's")


def check_origin(
    method: str,
    *,
    origin: str | None,
    sec_fetch_site: str | None,
    host_origin: str,
    allowed_origins: Collection[str],
) -> None:
    """For a request before there is a token: login and register in cookie mode. Raises `CrossSite`."""
    if method.upper() in SAFE_METHODS or (origin is not None and origin in allowed_origins):
        return
    same = origin == host_origin
    if (sec_fetch_site is None and same) or (sec_fetch_site == "same-origin" and (same or origin is None)):
        return
    raise CrossSite("the request does not come from this origin")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def origin_of(scheme: str, host: str) -> str:
    """The origin, as browsers write it, of a scheme and a Host header (RFC 6454 section 6.2)."""
    scheme, host = scheme.lower(), host.lower()
    name, colon, port = host.rpartition(":")
    if colon and port == _DEFAULT_PORTS.get(scheme):
        host = name
    return f"{scheme}://{host}"
