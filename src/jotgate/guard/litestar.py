"""The guard as Litestar's plug-in: every route needs a good token, unless it says otherwise.

    auth = guard.litestar(exclude=["/schema", "/schema/*"])
    app = Litestar(routes, plugins=[auth])

    route                                       needs
    ----------------------------------------    --------------------------------------------------------------------
    any                                         a good token; `request.user` is the principal, `request.auth` its claims
    guards=[auth.requires(role="manager")]      and the role; on a handler, a controller, a router or the application
    opt={"auth_optional": True}                 none, and `request.user` is None then; but a bad one is refused
    opt={"exclude_from_auth": True}, `exclude`  nothing, and there is no `request.user`; a requirement wins over it

`exclude` names routes as they are declared, `/items/{id}`, for Litestar rewrites the paths of requests; it opens no
mounts, `opt` does. Requirements are checked ahead of Litestar's response cache, which knows no guards. Refusals are
answered by `wire.challenge`, also where `principal.require` raises them in a handler, unless the application has an
exception handler of its own for them. WebSockets and streams are watched as `jotgate.guard.asgi` does.
"""

from collections.abc import Iterable
from copy import copy
from typing import Any, Final, Literal

from litestar import Request, Response
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.exceptions import LitestarException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from jotgate.errors import JotgateError, TokenMissing
from jotgate.guard.asgi import App, GuardMiddleware, Message, Receive, Scope, Send, admitted, judged, refuse
from jotgate.guard.connection import Ended, connection_of
from jotgate.guard.gate import ANSWERED
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys
from jotgate.guard.openpaths import open_paths
from jotgate.guard.principal import Principal, Requirement

_RAISED: Final = "jotgate.raised"
_ADMITTED: Final = "jotgate.admitted"
_EXCLUDED: Final = "exclude_from_auth"  # as Litestar's own authentication has it
_OPTIONAL: Final = "auth_optional"


class Plugin(InitPlugin, ReceiveRoutePlugin):
    """What `Litestar(plugins=[...])` takes."""

    def __init__(self, guard: Guard, *, exclude: str | Iterable[str] = ()) -> None:
        """`exclude`: declared paths that need no token; one that ends in `/*` stands for all below it."""
        self.guard = guard
        self._leaves_open = open_paths(exclude)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Stand before all routes, and answer what is refused in them."""
        app_config.middleware.insert(0, DefineMiddleware(Middleware, plugin=self))  # type: ignore[arg-type]  # ASGI, less finely typed
        app_config.after_exception.append(_note)
        if JotgateError not in app_config.exception_handlers:
            for error in ANSWERED:
                app_config.exception_handlers.setdefault(error, self._answered)
        if app_config.openapi_config is not None:
            app_config.openapi_config = copy(app_config.openapi_config)
            described = app_config.openapi_config.components
            ours = Components(security_schemes=dict(_schemes(self.guard)))
            app_config.openapi_config.components = [*(described if isinstance(described, list) else [described]), ours]
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Say in OpenAPI what it needs."""
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if not self.is_open(handler, route.path_format):
                ways: list[dict[str, list[str]]] = [{name: []} for name in _schemes(self.guard)]
                nobody: list[dict[str, list[str]]] = [{}] if self.is_optional(handler) else []
                handler.security = [*(handler.security or ()), *nobody, *ways]

    def requires(
        self,
        *,
        role: str | Iterable[str] = (),
        scope: str | Iterable[str] = (),
        match: Literal["all", "any"] = "all",
        max_age: int | None = None,
    ) -> "Required":
        """For `guards=[...]`; as `Requirement.of`."""
        return Required(self.guard, Requirement.of(role=role, scope=scope, match=match, max_age=max_age))

    def demanded(self, handler: BaseRouteHandler) -> list[Requirement]:
        """What a route asks of its callers."""
        found = handler.resolve_guards()
        return [each.requirement for each in found if isinstance(each, Required) and each.guard is self.guard]

    def is_open(self, handler: BaseRouteHandler, path: str) -> bool:
        """Whether no token is looked at."""
        named = not getattr(handler, "is_mount", False) and self._leaves_open(path)  # what a mount is given is no path
        return bool(named or handler.opt.get(_EXCLUDED)) and not self.demanded(handler)

    def is_optional(self, handler: BaseRouteHandler) -> bool:
        """Whether callers may be nobody."""
        return bool(handler.opt.get(_OPTIONAL)) and not self.demanded(handler)

    def _answered(self, _request: Request[Any, Any, Any], error: JotgateError) -> Response[bytes]:
        answer = self.guard.answer(error)
        headers = dict(answer.headers)
        kind = headers.pop("Content-Type")
        return Response(answer.body, status_code=answer.status, headers=headers, media_type=kind)


class Required:
    """A requirement, as Litestar's guard functions are called. The plug-in has checked it: see that it was there."""

    def __init__(self, guard: Guard, requirement: Requirement) -> None:
        self.guard = guard
        self.requirement = requirement

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        """Raises `TokenMissing` where the guard's plug-in is not installed."""
        scope: Scope = connection.scope  # type: ignore[assignment]
        if scope.get(_ADMITTED) is not self.guard:
            raise TokenMissing("the guard's plug-in is not part of the application")

    def __deepcopy__(self, _memo: object) -> "Required":
        """Litestar copies the handlers of controllers: the guard stays the same one."""
        return self


class Middleware(GuardMiddleware):
    """Stands between Litestar's routing and a route."""

    def __init__(self, app: App, plugin: Plugin) -> None:
        super().__init__(self._inside, plugin.guard)
        self._plugin = plugin
        self._route = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Refusals of HTTP are raised, for the application's exception handlers."""
        if self._plugin.is_open(scope["route_handler"], scope["path_template"]):
            await self._let_by(scope, receive, send)
            return
        try:
            principal = await self._admit(scope)
        except JotgateError as error:
            if scope["type"] == "http":
                raise
            await refuse(self._guard, error, scope, send)
            return
        scope["user"] = scope["auth"] = None
        if principal is None:
            await self._let_by(scope, receive, send)
            return
        scope["principal"] = scope["user"] = scope.setdefault("state", {})["principal"] = principal
        scope["auth"] = principal.claims
        scope[_ADMITTED] = self._guard
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif connection_of(scope, self._guard) is None:
            await self._serve_websocket(scope, receive, send)
        else:  # a middleware around the application watches it
            await self._inside(scope, receive, send)

    async def _admit(self, scope: Scope) -> Principal | None:
        principal = judged(self._guard, scope)
        if isinstance(principal, NeedKeys):
            principal = await admitted(self._guard, scope)
        if principal is not None:
            for requirement in self._plugin.demanded(scope["route_handler"]):
                requirement.check(principal, now=self._guard.clock())
        elif not self._plugin.is_optional(scope["route_handler"]):
            raise TokenMissing
        return principal

    async def _let_by(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._inside(scope, receive, send)
        except ANSWERED as error:
            if scope["type"] == "http":
                raise
            await refuse(self._guard, error, scope, send, accepted=True)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The route, whose errors Litestar answers: those of WebSockets are ours."""
        held = connection_of(scope, self._guard)
        if held is not None:
            for requirement in self._plugin.demanded(scope["route_handler"]):
                held.demand(requirement)

        async def told(message: Message) -> None:
            if _RAISED not in scope or message["type"] != "websocket.close":
                await send(message)

        try:
            await self._route(scope, receive, told if scope["type"] == "websocket" else send)
        except LitestarException:  # what is raised when the response has begun is wrapped in one
            streamed = connection_of(scope, self._guard)
            if streamed is None or streamed.over is None:
                raise
            raise Ended(streamed.over) from None
        if _RAISED in scope:
            raise scope[_RAISED]


async def _note(error: Exception, scope: Any) -> None:
    if scope["type"] == "websocket" and isinstance(error, ANSWERED):
        scope[_RAISED] = error


def _schemes(guard: Guard) -> dict[str, SecurityScheme]:
    found = {"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
    if guard.options.cookie is not None:
        found["cookie"] = SecurityScheme(type="apiKey", name=guard.options.cookie, security_scheme_in="cookie")
    return found
