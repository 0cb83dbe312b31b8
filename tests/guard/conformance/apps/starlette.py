"""Starlette: its own `@requires` for one scope; for the rest the middleware, and the handler asks the principal."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jotgate.errors import JotgateError
from jotgate.guard.asgi import GuardMiddleware, admitted
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Requirement
from tests.guard.conformance.table import ROUTES

KIND = "asgi"
Endpoint = Callable[[Request], Awaitable[Response]]


def build(guard: Guard) -> Starlette:
    def asking(**wanted: Any) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            principal = request.state.principal
            if wanted:
                Requirement.of(**wanted).check(principal, now=guard.clock())
            return JSONResponse({"sub": principal.sub})

        return endpoint

    async def opened(_request: Request) -> Response:
        return JSONResponse({"sub": None})

    async def optional(request: Request) -> Response:
        try:
            principal = await admitted(guard, request.scope)
        except JotgateError as error:
            answer = guard.answer(error)
            return Response(answer.body, answer.status, dict(answer.headers))
        return JSONResponse({"sub": principal and principal.sub})

    @requires("members:read")
    async def by_starlette(request: Request) -> Response:
        return JSONResponse({"sub": request.user.identity})

    guarded = [Middleware(GuardMiddleware, guard=guard)]
    identified = [Middleware(AuthenticationMiddleware, backend=guard.starlette())]
    own = [
        Route("/open", opened),
        Route("/me", asking(), methods=["GET", "POST"], middleware=guarded),
        Route("/optional", optional),
        Route("/scope", by_starlette, middleware=identified),
        Route("/inside", asking(role="owner"), middleware=guarded),
    ]
    done = {route.path for route in own}
    more = [Route(path, asking(**wanted), middleware=guarded) for path, wanted in ROUTES.items() if path not in done]
    return Starlette(routes=[*own, *more])
