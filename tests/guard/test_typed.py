"""Typed uses that pin the guard's public face: the type checker is the test, running it only shows that it runs."""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, Request, Security, WebSocket
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware

from jotgate import Expired, Forbidden, Guard, GuardMiddleware, JotgateError, Principal, TokenError
from jotgate.guard.known import NeedKeys, Status

guard = Guard(issuer="https://auth.example.com", audience="gym", revocation=None)


def verified(token: str) -> Principal:
    principal = guard.verify(token)
    assert_type(principal, Principal)
    assert_type(principal.sub, str)
    assert_type(principal.sid, str | None)
    assert_type(principal.roles, tuple[str, ...])
    assert_type(principal.scopes, frozenset[str])
    assert_type(principal.claims, Mapping[str, Any])
    principal.require(role="manager", scope=["members:read"], match="any")
    return principal


def admitted(header: str | None) -> Principal | NeedKeys:
    return guard.admit(header, now=0.0)


def applications() -> tuple[GuardMiddleware, Middleware, FastAPI]:
    app = FastAPI(dependencies=[Depends(guard), Security(guard, scopes=["payments:read"])])
    app.add_middleware(GuardMiddleware, guard=guard, exclude=["/healthz"])

    @app.get("/managers", dependencies=[Depends(guard.require(role="manager"))])
    async def managers(who: Annotated[Principal | None, Depends(guard.optional)]) -> str:
        return who.sub if who else "nobody"

    return GuardMiddleware(app, guard), Middleware(AuthenticationMiddleware, backend=guard.starlette()), app


async def numbers() -> AsyncGenerator[int, None]:
    yield 1


async def lasting(websocket: WebSocket, request: Request) -> None:
    assert_type(await guard.renew(websocket, "a token"), Principal)
    assert_type(guard.while_valid(request, numbers()), AsyncGenerator[int, None])


def test_the_public_face_is_as_typed() -> None:
    assert_type(guard.status(), Status)
    assert len(applications()) == 3
    assert issubclass(Expired, TokenError)
    assert issubclass(TokenError, JotgateError)
    assert issubclass(Forbidden, JotgateError)
    assert not issubclass(Forbidden, TokenError)
