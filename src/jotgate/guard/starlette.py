"""The guard as Starlette's authentication backend, for `@requires`.

    app = Starlette(routes, middleware=[Middleware(AuthenticationMiddleware, backend=guard.starlette())])

    request         request.user             request.auth.scopes               where `@requires` refuses
    ------------    ---------------------    ------------------------------    --------------------------
    a good token    a `Caller`               "authenticated" and its scopes    403 scope_missing
    none            UnauthenticatedUser()    none                              401 token_missing
    any other       UnauthenticatedUser()    none                              the token's own refusal

Granted patterns count: who holds `members:*` passes `@requires("members:read")`. A redirect, or another status than
403, that `@requires` was told is kept. A WebSocket is judged and not watched, and its subprotocol not answered: a
backend is given nothing to do that with. `GuardMiddleware` does.
"""

import inspect
from collections.abc import Iterable, MutableMapping
from typing import Any

from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, UnauthenticatedUser
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from jotgate.errors import JotgateError, ScopeMissing, TokenMissing
from jotgate.guard.asgi import Receive, Scope, Send, admitted, refuse
from jotgate.guard.guard import Guard
from jotgate.guard.principal import Principal
from jotgate.wire.scopes import matches

_REFUSAL = "jotgate.refusal"


class Caller(BaseUser):
    """`request.user` where a good token was sent."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    @property
    def is_authenticated(self) -> bool:
        """It is, or it would not be here."""
        return True

    @property
    def display_name(self) -> str:
        """The name that the token says, or the subject."""
        return str(self.principal.claims.get("name") or self.principal.sub)

    @property
    def identity(self) -> str:
        """The subject."""
        return self.principal.sub


class Backend(AuthenticationBackend):
    """Never refuses by itself: the routes that need a caller do."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """The caller and what it may."""
        try:
            principal = await admitted(self._guard, conn.scope)
        except JotgateError as error:
            return _credentials((), Refusal(self._guard, error), conn.scope), UnauthenticatedUser()
        if principal is None:
            return _credentials((), Refusal(self._guard, TokenMissing()), conn.scope), UnauthenticatedUser()
        conn.scope["principal"] = conn.scope.setdefault("state", {})["principal"] = principal
        scopes = ("authenticated", *sorted(principal.scopes))
        return _credentials(scopes, Refusal(self._guard, None), conn.scope), Caller(principal)


class Refusal:
    """Why a request is refused, as an answer; None: for want of a scope."""

    def __init__(self, guard: Guard, error: JotgateError | None) -> None:
        self._guard = guard
        self._error = error
        self.wanted = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Send it."""
        error = self._error or ScopeMissing("the route requires it", scope=self.wanted)
        await refuse(self._guard, error, scope, send)


class _Scopes(list[str]):
    """Knows patterns, and notes what it was asked for in vain."""

    def __init__(self, scopes: Iterable[str], refusal: Refusal, scope: MutableMapping[str, Any]) -> None:
        super().__init__(scopes)
        self._refusal = refusal
        self._scope = scope

    def __contains__(self, wanted: object) -> bool:
        if super().__contains__(wanted) or any(matches(held, str(wanted)) for held in self):
            return True
        self._refusal.wanted = str(wanted)
        self._scope[_REFUSAL] = self._refusal
        handlers = self._scope.get("starlette.exception_handlers", ({},))[0]
        former = handlers.get(HTTPException)
        if former is not None and not isinstance(former, _Exact):
            handlers[HTTPException] = _Exact(former)
        return False


class _Exact:
    """Starlette's handler for HTTP errors, but for the bare 403 of `@requires`."""

    def __init__(self, former: Any) -> None:
        self._former = former

    async def __call__(self, request: Request, error: HTTPException) -> Any:
        refusal = request.scope.get(_REFUSAL)
        if refusal is not None and (error.status_code, error.detail, error.headers) == (403, "Forbidden", None):
            return refusal
        if inspect.iscoroutinefunction(self._former):
            return await self._former(request, error)
        return await run_in_threadpool(self._former, request, error)


def _credentials(scopes: Iterable[str], refusal: Refusal, scope: MutableMapping[str, Any]) -> AuthCredentials:
    credentials = AuthCredentials()
    credentials.scopes = _Scopes(scopes, refusal, scope)
    return credentials
