"""One application a framework with an open route, one behind our guard, and one behind each usual choice of others.

The peers stand as their documentation sets them up, and at their best: HS256, the cheapest signature, nothing revoked,
and no database: who wants a user gets one out of memory.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt as pyjwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse as FastAPIAnswer
from fastapi.security import OAuth2PasswordBearer
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend as UsersBackend
from fastapi_users.authentication import BearerTransport, JWTStrategy
from fastapi_users.db import BaseUserDatabase
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, jwt_required
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
    requires,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from jotgate import Guard, GuardMiddleware, Principal

OPEN, OURS = "open route", "jotgate"
SECRET = os.urandom(32).hex()
TOKENS = 16  # different ones
HELLO = {"hello": "world"}


@dataclass(frozen=True, slots=True)
class Built:
    """An application; its paths are those of `Rotated` over all that stand in it."""

    application: Any
    tokens: Mapping[str, list[str]]  # of the peers
    notes: Mapping[str, str]
    ours: tuple[str, ...] = field(default=(OURS,))


class Rotated:
    """Each route once first, once second and so on: a router that asks them in turn favours none."""

    def __init__(self, who: Iterable[str]) -> None:
        self._who = list(who)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for turn in range(len(self._who)):
            for name in self._who[turn:] + self._who[:turn]:
                yield path_of(name, turn), name


def path_of(name: str, turn: int) -> str:
    """Where it stands in that turn."""
    return f"/{turn}/{name.replace(' ', '-').lower()}"


def _token(number: int) -> str:
    now = int(time.time())
    return pyjwt.encode({"sub": f"member-{number}", "iat": now, "exp": now + 3600}, SECRET, algorithm="HS256")


def _tokens() -> list[str]:
    return [_token(number) for number in range(TOKENS)]


# --- FastAPI


def fastapi(guard: Guard) -> Built:
    """A dependency around PyJWT, as FastAPI's tutorial writes it, and fastapi-users."""
    bearer = OAuth2PasswordBearer(tokenUrl="token")

    async def caller(token: Annotated[str, Depends(bearer)]) -> str:
        try:
            return str(pyjwt.decode(token, SECRET, algorithms=["HS256"])["sub"])
        except (pyjwt.InvalidTokenError, KeyError):
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from None

    user, users_token = _fastapi_users()

    async def opened() -> FastAPIAnswer:
        return FastAPIAnswer(HELLO)

    async def guarded(_principal: Annotated[Principal, Depends(guard)]) -> FastAPIAnswer:
        return FastAPIAnswer(HELLO)

    async def by_pyjwt(_caller: Annotated[str, Depends(caller)]) -> FastAPIAnswer:
        return FastAPIAnswer(HELLO)

    async def by_users(_user: Annotated[object, Depends(user)]) -> FastAPIAnswer:
        return FastAPIAnswer(HELLO)

    app = FastAPI()
    routes: dict[str, Callable[..., Any]] = {
        OPEN: opened,
        OURS: guarded,
        "PyJWT dependency": by_pyjwt,
        "fastapi-users": by_users,
    }
    for path, who in Rotated(routes):
        app.get(path)(routes[who])
    tokens = {"PyJWT dependency": _tokens(), "fastapi-users": [users_token() for _ in range(TOKENS)]}
    notes = {"PyJWT dependency": "HS256, no user", "fastapi-users": "HS256, JWTStrategy, the user out of memory"}
    return Built(app, tokens, notes)


def _fastapi_users() -> tuple[Callable[..., Any], Callable[[], str]]:
    member: Any = SimpleNamespace(id=uuid4(), is_active=True, is_verified=True, is_superuser=False)
    audience = ["fastapi-users:auth"]

    class Members(BaseUserDatabase[Any, UUID]):
        async def get(self, id: UUID) -> Any:  # noqa: A002  # theirs
            return member if id == member.id else None

    class Manager(UUIDIDMixin, BaseUserManager[Any, UUID]):
        pass

    def strategy() -> JWTStrategy[Any, UUID]:
        return JWTStrategy(secret=SECRET, lifetime_seconds=3600, token_audience=audience)

    async def manager() -> Manager:
        return Manager(Members())

    backend = UsersBackend(name="jwt", transport=BearerTransport(tokenUrl="auth/jwt/login"), get_strategy=strategy)

    def token() -> str:
        claims = {"sub": str(member.id), "aud": audience, "exp": int(time.time()) + 3600, "jti": uuid4().hex}
        return pyjwt.encode(claims, SECRET, algorithm="HS256")

    return FastAPIUsers[Any, UUID](manager, [backend]).current_user(active=True), token


# --- Starlette


class _PyJWTBackend(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        if "Authorization" not in conn.headers:
            return None
        scheme, _, token = conn.headers["Authorization"].partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = pyjwt.decode(token, SECRET, algorithms=["HS256"])
        except pyjwt.InvalidTokenError as error:
            raise AuthenticationError(str(error)) from None
        return AuthCredentials(["authenticated"]), SimpleUser(claims["sub"])


def starlette(guard: Guard) -> Built:
    """Ours are the middleware and the backend for Starlette's own; the peer is such a backend around PyJWT."""

    async def hello(_request: Request) -> JSONResponse:
        return JSONResponse(HELLO)

    @requires("authenticated")
    async def asking(request: Request) -> JSONResponse:  # noqa: ARG001  # it wants this name
        return JSONResponse(HELLO)

    def behind(backend: AuthenticationBackend) -> list[Middleware]:
        return [Middleware(AuthenticationMiddleware, backend=backend)]

    backend = f"{OURS}'s backend"
    routes: dict[str, tuple[Any, list[Middleware]]] = {
        OPEN: (hello, []),
        OURS: (hello, [Middleware(GuardMiddleware, guard=guard)]),
        backend: (asking, behind(guard.starlette())),
        "PyJWT backend": (asking, behind(_PyJWTBackend())),
    }
    app = Starlette(routes=[Route(path, routes[who][0], middleware=routes[who][1]) for path, who in Rotated(routes)])
    return Built(app, {"PyJWT backend": _tokens()}, {"PyJWT backend": "HS256, no user"}, (OURS, backend))


# --- Flask


def flask(guard: Guard) -> Built:
    """Flask-JWT-Extended as it is, with its tokens in headers."""
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = SECRET
    app.config["JWT_TOKEN_LOCATION"] = ["headers"]
    JWTManager(app)
    guard.flask(app)

    def hello() -> dict[str, str]:
        return HELLO

    peer = "Flask-JWT-Extended"
    views: dict[str, Callable[[], Any]] = {OPEN: hello, OURS: guard.required()(hello), peer: jwt_required()(hello)}
    views[OPEN] = lambda: HELLO  # a view of its own: the guard says where a guarded one stands bare
    for path, who in Rotated(views):
        app.add_url_rule(path, path, views[who])
    with app.app_context():
        tokens = [create_access_token(f"member-{number}") for number in range(TOKENS)]
    return Built(app, {peer: tokens}, {peer: "HS256, no user"})
