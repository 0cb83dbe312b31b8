"""One application in several frameworks: `/payments` needs a good token, `/managers` a role, `/home` takes nobody too.

Each asks the guard by itself, so that a test of the kit hangs on no adapter.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import flask
import litestar
import quart
from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from litestar.response import Response as LitestarResponse

from jotgate.errors import JotgateError, TokenMissing
from jotgate.guard.gate import arriving, caller
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal
from jotgate.guard.request import Facts

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def judged(guard: Guard, path: str, who: Principal | None) -> str:
    """What each framework answers, but for `/echo`."""
    if path == "/home":
        return f"Hello, {who.sub if who else 'stranger'}"
    if who is None:
        raise TokenMissing
    if path == "/managers":
        who.require(role="manager")
    return who.sub


def echoed(every: Callable[[str], Sequence[str]], query: str) -> str:
    """What has arrived: each credential in a line of its own."""
    lines = [f"{name}: {value}" for name in ("authorization", "cookie", "x-jwt") for value in every(name)]
    return "\n".join([*lines, f"query: {query}"])


def fastapi_app(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.get("/payments")
    def payments(who: Annotated[Principal, Depends(guard)]) -> str:
        return who.sub

    @app.get("/managers")
    def managers(who: Annotated[Principal, Depends(guard.require(role="manager"))]) -> str:
        return who.sub

    @app.get("/echo", response_class=PlainTextResponse)
    def echo(request: Request) -> str:
        return echoed(request.headers.getlist, request.url.query)

    @app.get("/home")
    def home(who: Annotated[Principal | None, Depends(guard.optional)]) -> str:
        return f"Hello, {who.sub if who else 'stranger'}"

    return app


def flask_app(guard: Guard) -> flask.Flask:
    app = flask.Flask("tests.testing.apps")
    app.testing = True

    def anything(path: str) -> flask.Response:
        request = flask.request
        every = request.headers.getlist
        try:
            if path == "echo":
                return flask.Response(echoed(every, request.query_string.decode()))
            who = caller(guard, Facts(request.method, request.scheme, every))
            return flask.Response(judged(guard, f"/{path}", who))
        except JotgateError as error:
            answer = guard.answer(error)
            return flask.Response(answer.body, answer.status, answer.headers)

    app.add_url_rule("/<path:path>", view_func=anything)
    return app


def wsgi_app(guard: Guard) -> Wsgi:
    inner = flask_app(guard)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return inner(environ, start_response)

    return app


def quart_app(guard: Guard) -> quart.Quart:
    app = quart.Quart("tests.testing.apps")
    app.testing = True

    async def anything(path: str) -> quart.Response:
        request = quart.request
        every = request.headers.getlist
        try:
            if path == "echo":
                return quart.Response(echoed(every, request.query_string.decode()))
            who = await arriving(guard, Facts(request.method, request.scheme, every))
            return quart.Response(judged(guard, f"/{path}", who))
        except JotgateError as error:
            answer = guard.answer(error)
            return quart.Response(answer.body, answer.status, dict(answer.headers))

    app.add_url_rule("/<path:path>", view_func=anything)

    return app


def litestar_app(guard: Guard) -> litestar.Litestar:
    @litestar.get(["/payments", "/managers", "/home", "/echo"])
    async def anything(request: litestar.Request[Any, Any, Any]) -> LitestarResponse[Any]:
        def every(name: str) -> list[str]:
            return request.headers.getall(name, [])

        try:
            if request.url.path == "/echo":
                return LitestarResponse(echoed(every, request.url.query), media_type="text/plain")
            who = await arriving(guard, Facts(request.method, request.scope["scheme"], every))
            return LitestarResponse(judged(guard, request.url.path, who))
        except JotgateError as error:
            answer = guard.answer(error)
            return LitestarResponse(answer.body, status_code=answer.status, headers=dict(answer.headers))

    return litestar.Litestar([anything])
