"""The cookie transport at the issuer: which cookies are set, and which requests may have come from another site's page.

    transport    login, register                         tokens travel
    ---------    ---------------                         -------------
    bearer       anybody                                 in the body
    cookie       our own or a listed origin, no other    as cookies
    both         the same for browsers                   in the body, and for browsers as cookies too

A browser is who sends `Origin` or `Sec-Fetch-Site`: all that are in use do so with a POST.
"""

from urllib.parse import urlsplit

from jotgate.core.model import TokenPair
from jotgate.core.policy import Policy
from jotgate.guard.request import WEBSOCKET
from jotgate.server.headers import Header
from jotgate.server.request import Request
from jotgate.wire import cookies, crosssite
from jotgate.wire.cookies import Found


class Browser:
    """What the policy and the edge say about cookies, worked out once."""

    def __init__(self, policy: Policy, cors_origins: tuple[str, ...]) -> None:
        issuer = urlsplit(policy.issuer)
        self._transport = policy.transport
        self._scheme = issuer.scheme
        self._secure = issuer.scheme == "https"
        self._mount = issuer.path
        self._refresh_path = policy.prefix + "/refresh"
        self._own = crosssite.origin_of(issuer.scheme, issuer.netloc)
        self._allowed = frozenset({*cors_origins, self._own})

    @property
    def cookies_in_use(self) -> bool:
        """Whether cookies are a transport here."""
        return self._transport != "bearer"

    @property
    def tokens_in_body(self) -> bool:
        """Whether tokens are in the body."""
        return self._transport != "cookie"

    def found(self, request: Request) -> Found:
        """Our cookies in the request. Raises `CredentialsAmbiguous`."""
        header = request.cookies() if self.cookies_in_use else None
        return Found() if header is None else cookies.parse(header, secure=self._secure)

    def wants_cookies(self, request: Request) -> bool:
        """Before there is a token: whether to set cookies. Raises `CrossSite` for another site's page."""
        from_browser = b"origin" in request.fields or b"sec-fetch-site" in request.fields
        if not self.cookies_in_use or (self._transport == "both" and not from_browser):
            return False
        crosssite.check_origin(
            request.method,
            origin=request.header(b"origin"),
            sec_fetch_site=request.header(b"sec-fetch-site"),
            host_origin=self._host_origin(request),
            allowed_origins=self._allowed,
        )
        return True

    def check(self, request: Request, csrf: str | None) -> None:
        """For a request that authenticates by cookie; `csrf`: what the header must repeat. Raises `CrossSite`."""
        crosssite.check(
            request.method,
            origin=request.header(b"origin"),
            sec_fetch_site=request.header(b"sec-fetch-site"),
            host_origin=self._host_origin(request),
            allowed_origins=self._allowed,
            csrf_claim=csrf,
            csrf_header=request.header(b"x-csrf-token"),
        )

    def check_forwarded(self, request: Request, csrf: str | None, *, method: str) -> None:
        """The same for a request in a proxy's hands: the original method counts, and for its host the issuer's."""
        origin, site = request.header(b"origin"), request.header(b"sec-fetch-site")
        if method == WEBSOCKET:  # a handshake cannot carry the csrf value
            crosssite.check_origin(
                method, origin=origin, sec_fetch_site=site, host_origin=self._own, allowed_origins=self._allowed
            )
            return
        crosssite.check(
            method,
            origin=origin,
            sec_fetch_site=site,
            host_origin=self._own,
            allowed_origins=self._allowed,
            csrf_claim=csrf,
            csrf_header=request.header(b"x-csrf-token"),
        )

    def set(self, request: Request, pair: TokenPair) -> tuple[Header, ...]:
        """The cookies of a pair. All live as long as the session, so that an expired access token is told from none."""
        seconds = max(pair.expires_in, pair.refresh_expires_in or 0)
        values = [
            cookies.set_access(pair.access_token, seconds=seconds, secure=self._secure),
            cookies.set_csrf(pair.csrf or "", seconds=seconds, secure=self._secure),
        ]
        if pair.refresh_token is not None:
            path = self._path(request)
            values.append(cookies.set_refresh(pair.refresh_token, seconds=seconds, secure=self._secure, path=path))
        return _headers(values)

    def clear(self, request: Request) -> tuple[Header, ...]:
        """The cookies that remove all of ours."""
        if not self.cookies_in_use:
            return ()
        return _headers(cookies.clear(secure=self._secure, path=self._path(request)))

    def _path(self, request: Request) -> str:
        """The refresh route as the browser sees it: below where we are mounted, or where the issuer says we are."""
        return (request.base or self._mount) + self._refresh_path

    def _host_origin(self, request: Request) -> str:
        return crosssite.origin_of(self._scheme, request.header(b"host") or "")


def _headers(values: list[str] | tuple[str, ...]) -> tuple[Header, ...]:
    return tuple((b"set-cookie", value.encode("latin-1")) for value in values)
