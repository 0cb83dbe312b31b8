"""What a page meets in these tests: its own pages and a guarded API, and a hostile origin that remembers everything."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from jotgate import Guard, GuardMiddleware

PAGE = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>a page</title>"


@dataclass
class Site:
    """`heard`: the headers of every request to the API, in order."""

    heard: list[Mapping[str, str]] = field(default_factory=list)

    def app(self, guard: Guard, *, origins: tuple[str, ...] = ()) -> ASGIApp:
        """Pages for anybody, the API for whom the guard lets in; `origins`: other origins whose pages may call."""
        rows = [
            Route("/api/page", _page),
            Route("/api/hello", self._hello),
            Route("/api/echo", self._echo, methods=["GET", "POST", "PUT"]),
            Route("/api/away", self._away, methods=["GET", "POST"]),
        ]
        guarded = GuardMiddleware(Starlette(routes=rows), guard, exclude=["/api/page"])
        if not origins:
            return guarded
        headers = ["Authorization", "X-CSRF-Token"]
        return CORSMiddleware(
            guarded, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=headers, allow_credentials=True
        )

    async def _hello(self, request: Request) -> Response:
        self.heard.append(request.headers)
        return JSONResponse({"sub": request.state.principal.sub})

    async def _echo(self, request: Request) -> Response:
        self.heard.append(request.headers)
        kind = request.headers.get("content-type", "").partition(";")[0]
        return JSONResponse({"method": request.method, "kind": kind, "body": (await request.body()).decode()})

    async def _away(self, request: Request) -> Response:
        self.heard.append(request.headers)
        return RedirectResponse(request.query_params["to"], status_code=307)


@dataclass
class Hostile:
    """An origin that allows everything to everybody and writes down what it gets."""

    heard: list[Mapping[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        self.heard.append(request.headers)
        allowed = {
            "access-control-allow-origin": request.headers.get("origin", "*"),
            "access-control-allow-credentials": "true",
            "access-control-allow-headers": request.headers.get("access-control-request-headers", "*"),
            "access-control-allow-methods": "GET, POST",
        }
        await JSONResponse({"sub": "whoever you like"}, headers=allowed)(scope, receive, send)


def pages() -> ASGIApp:
    """Pages and nothing else."""
    return Starlette(routes=[Route("/", _page)])


async def _page(_request: Request) -> Response:
    return HTMLResponse(PAGE)
