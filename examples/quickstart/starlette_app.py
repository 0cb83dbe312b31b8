"""Starlette, guarded: `JOTGATE_ISSUER=http://127.0.0.1:8000 uvicorn examples.quickstart.starlette_app:app`."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from jotgate import Guard, GuardMiddleware


async def home(_request: Request) -> JSONResponse:
    return JSONResponse({"hello": "stranger"})


async def me(request: Request) -> JSONResponse:
    return JSONResponse({"sub": request.state.principal.sub})


async def members(request: Request) -> JSONResponse:
    request.state.principal.require(role="manager")
    return JSONResponse(["ada", "bob"])


app = Starlette(
    routes=[Route("/", home), Route("/me", me), Route("/members", members)],
    middleware=[Middleware(GuardMiddleware, guard=Guard.from_env(), exclude=["/"])],
)
