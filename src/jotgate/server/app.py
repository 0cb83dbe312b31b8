"""The ASGI application: from a path to an endpoint, from its reply or error to an answer.

Run directly, it starts with the server's lifespan; mounted in another application, which runs no lifespan of ours, with
the first request that needs more than the process. The path that counts is the one below the mount point.
"""

import logging
import time
from http import HTTPStatus
from ipaddress import ip_network
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from jotgate.core.policy import Policy
from jotgate.errors import Busy, JotgateError, LoginError, MethodNotAllowed, NotFound, Replayed, StartError, Unavailable
from jotgate.server import openapi
from jotgate.server.access import admit
from jotgate.server.gate import Edge, Gate, Route, Who
from jotgate.server.headers import Cors, Header, address_finder, security
from jotgate.server.lifetime import Lifetime, Opener
from jotgate.server.reply import NO_CONTENT, Reply, deliver, refusal
from jotgate.server.request import Disconnected, Request
from jotgate.server.routes import routes
from jotgate.server.table import Methods, Table

_log = logging.getLogger("jotgate")
_access_log = logging.getLogger("jotgate.access")
_SUSPICIOUS = frozenset({LoginError.code, Replayed.code})  # hashing and closing bound how often these can be
_ONE_AFTER_THE_OTHER = ("1.0", "1.1")  # versions of HTTP where a connection is told that it ends (RFC 9112 section 9.6)
_LAST: Header = (b"connection", b"close")
_ERROR, _SERVER_ERROR = int(HTTPStatus.BAD_REQUEST), int(HTTPStatus.INTERNAL_SERVER_ERROR)
_NOWHERE = "-"  # the route of what has none: what was asked for is repeated neither in the log nor in the figures


class Application:
    """An issuer. `opener` gives the `Env` when it is entered, and takes everything back when it is left."""

    def __init__(self, policy: Policy, opener: Opener, *, edge: Edge | None = None) -> None:
        issuer = urlsplit(policy.issuer)
        rows = routes(policy)
        self._edge = edge or Edge()
        self._table = Table(rows, bases=("", issuer.path) if issuer.path else ("",))
        self._gate = Gate(policy, self._edge, openapi=lambda: openapi.document(policy, rows))
        self._lifetime = Lifetime(self._gate, opener)
        trusted = [ip_network(network) for network in self._edge.trusted_proxies]
        self._behind_proxies = address_finder(trusted) if trusted else None
        self._cors = Cors(
            frozenset(origin.encode() for origin in self._edge.cors_origins),
            credentials=self._gate.browser.cookies_in_use,
        )
        self._secure = issuer.scheme == "https"
        self._headers = security(secure=self._secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifetime.lifespan(receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1008})

    async def start(self) -> None:
        """Open everything, begin the work in the background; else the first request does. Raises `StartError`."""
        await self._lifetime.start()

    def retire(self) -> None:
        """The process will stop soon, and serves until then: not ready any more, so that balancers look elsewhere."""
        self._lifetime.retire()

    def drain(self) -> None:
        """The process was told to stop: not ready any more, and whoever waits for news is answered."""
        self._lifetime.drain()

    async def stop(self) -> None:
        """End the work in the background and close what was opened."""
        await self._lifetime.stop()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request = Request(scope, receive)
        try:
            route, reply = await self._answer(request)
        except Disconnected:
            return
        headers = self._headers if reply.style is None else security(secure=self._secure, style=reply.style)
        if self._edge.cors_origins:
            headers = (*headers, *self._cors.answer(request.fields.get(b"origin")))
        if self._gate.draining and scope.get("http_version") in _ONE_AFTER_THE_OTHER:
            headers = (*headers, _LAST)
        await deliver(reply, send, headers, head=scope["method"] == "HEAD")
        self._note(request, route, reply, time.perf_counter() - began)

    async def _answer(self, request: Request) -> tuple[Route | None, Reply]:
        found = self._table.find(request.path)
        if found is None:
            return None, refusal(NotFound())
        methods, request.target = found
        method = request.method
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            return None, self._without_route(request, methods)
        try:
            if route.needs_start and not self._lifetime.started:
                await self._lifetime.start()
            request.address = self._address(request)
            if route.who is not Who.ANYBODY:
                request.principal = await admit(self._gate, request, route.who)
            return route, await route.endpoint(self._gate, request)
        except JotgateError as error:
            return route, self._refusal(error)
        except Disconnected:
            raise
        except Exception:  # noqa: BLE001  # whatever it is, the caller gets an answer
            _log.exception("%s %s failed", route.method, route.path)
            return route, refusal(JotgateError())

    def _address(self, request: Request) -> str:
        peer = request.scope.get("client")
        if peer is None:
            return ""
        address: str = peer[0]
        if self._behind_proxies is None:
            return address
        return self._behind_proxies(address, ",".join(request.every(b"x-forwarded-for")))

    def _without_route(self, request: Request, methods: Methods) -> Reply:
        """OPTIONS, a browser's question before another method (CORS), or a method that is not there."""
        allowed = [*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]
        allow: Header = (b"allow", ", ".join(allowed).encode())
        if request.method != "OPTIONS":
            return refusal(MethodNotAllowed(), (allow,))
        asked = self._cors.preflight(request.fields.get(b"origin"), list(methods))
        return Reply(204, headers=(*NO_CONTENT.headers, allow, *asked))

    def _refusal(self, error: JotgateError) -> Reply:
        if isinstance(error, StartError):
            _log.error("the start failed: %s", error.detail)
            error = Unavailable(error.detail)
        return refusal(error)

    def _note(self, request: Request, route: Route | None, reply: Reply, seconds: float) -> None:
        """For the figures and the log: the route's template, never the path, the query, a header or a body."""
        path = route.path if route else _NOWHERE
        method = route.method if route else _NOWHERE
        self._gate.meters.answered(method, path, status=reply.status, code=reply.code, seconds=seconds)
        level = _level(route, reply)
        if _access_log.isEnabledFor(level):
            facts = {
                "method": method,
                "route": path,
                "status": reply.status,
                "code": reply.code,
                "ms": round(seconds * 1000, 2),
                "address": request.address,
                "detail": reply.detail,
            }
            _access_log.log(level, "request", extra=facts)


def _level(route: Route | None, reply: Reply) -> int:
    """How loud: what an operator must look at, what happened, what happens all the time."""
    if reply.code in _SUSPICIOUS or (reply.status >= _SERVER_ERROR and reply.code != Busy.code):
        return logging.WARNING
    quiet = route is not None and route.quiet and reply.status < _ERROR
    return logging.DEBUG if quiet else logging.INFO
