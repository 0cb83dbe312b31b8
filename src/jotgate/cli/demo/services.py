"""The demonstration's services, members and payments, as one small application.

They know nothing of the issuer but its URL: each request is checked offline, with its public keys and its news.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.guard import Guard

MEMBERS = [{"name": "Ada", "since": 2021}, {"name": "Bob", "since": 2024}]
PAYMENTS = [{"member": "Bob", "euros": 35}]


def services(guard: Guard) -> Starlette:
    """The application, with the guard before every route."""
    routes = [Route("/demo/members", _members), Route("/demo/payments", _payments)]
    return Starlette(routes=routes, middleware=[Middleware(GuardMiddleware, guard=guard)])


async def _members(request: Request) -> JSONResponse:
    request.state.principal.require(scope="members:read")
    return JSONResponse(MEMBERS)


async def _payments(request: Request) -> JSONResponse:
    request.state.principal.require(scope="payments:read")
    return JSONResponse(PAYMENTS)
