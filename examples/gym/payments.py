"""The payments service, in Starlette: what was paid. The guard stands before every route but one."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from jotgate import Guard, GuardMiddleware

PAYMENTS = [{"member": "Bob", "euros": 35}]


async def list_payments(request: Request) -> JSONResponse:
    request.state.principal.require(scope="payments:read")
    return JSONResponse(PAYMENTS)


async def healthz(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


guard = Guard.from_env()  # JOTGATE_ISSUER
app = Starlette(
    routes=[Route("/payments", list_payments), Route("/healthz", healthz)],
    middleware=[Middleware(GuardMiddleware, guard=guard, exclude=["/healthz"])],
)
