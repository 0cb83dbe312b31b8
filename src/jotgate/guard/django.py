"""The guard in Django, before synchronous and asynchronous views: `request.principal` is who is asking.

    MIDDLEWARE = [..., "jotgate.guard.django.GuardMiddleware"]
    JOTGATE = {"issuer": "https://auth.example.com", "audience": "shop", "exclude": ["/healthz", "/admin/*"]}

    view                       no credentials    a good token         any other
    -----------------------    --------------    -----------------    ---------
    any                        401               in                   refused
    @require(role=..., ...)    401               in, if it is enough  refused
    @optional                  in, as nobody     in                   refused
    of an excluded path        in                nobody looks         nobody looks

All is closed but what says that it is not: a view that somebody forgot is one that nobody reaches.
`JOTGATE["protect"] = False` makes every view `@optional` that is not under `@require`.

Refusals are answered by `wire.challenge`, also where `principal.require` raises them in a view. A token in a header
cannot be forged by another site's page, so Django's CSRF check is not asked besides; for one in a cookie it is.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial, wraps
from typing import Any, Literal, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http import HttpResponse
from django.utils.cache import patch_vary_headers

from jotgate.errors import JotgateError, TokenMissing
from jotgate.guard import gate, wsgi
from jotgate.guard.django_settings import Standing, standing
from jotgate.guard.gate import ANSWERED
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys
from jotgate.guard.principal import Principal, Requirement
from jotgate.guard.request import Facts, credentials
from jotgate.guard.waiting import awaited, waited
from jotgate.wire import bearer

View = TypeVar("View", bound=Callable[..., Any])

log = logging.getLogger("jotgate.guard")


class GuardMiddleware:
    """Finds out who is asking, and lets nobody in who must be somebody."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        """Raises `ImproperlyConfigured`: a wrong setting stops the start."""
        standing()
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        self.process_view = self._view_async if self._is_async else self._view  # a plain one would cost a thread hop

    def __call__(self, request: Any) -> Any:
        """One request: its response, or an awaitable of it."""
        stood = standing()
        if stood.leaves_open(request.path_info):
            return self.get_response(request)
        return self._serve_async(request, stood) if self._is_async else self._serve(request, stood)

    def _serve(self, request: Any, stood: Standing) -> Any:
        try:
            principal = caller(stood.guard, request)
        except ANSWERED as error:
            return answered(stood.guard, error)
        _let_in(request, principal, stood.guard)
        return _varying(self.get_response(request), stood)

    async def _serve_async(self, request: Any, stood: Standing) -> Any:
        try:
            principal = await awaited(lambda: judged(stood.guard, request), stood.guard.arrivals)
        except ANSWERED as error:
            return answered(stood.guard, error)
        _let_in(request, principal, stood.guard)
        return _varying(await self.get_response(request), stood)

    def _view(self, request: Any, view: Any, _args: Any, _kwargs: Any) -> Any:
        stood = standing()
        is_nobody = getattr(request, "principal", self) is None  # on an excluded path there is no such attribute
        if is_nobody and stood.protects and not getattr(view, "jotgate_optional", False):
            return answered(stood.guard, TokenMissing())
        return None

    async def _view_async(self, request: Any, view: Any, args: Any, kwargs: Any) -> Any:
        return self._view(request, view, args, kwargs)

    def process_exception(self, _request: Any, error: Exception) -> Any:
        """The answer to a guard's error that a view raised."""
        return answered(standing().guard, error) if isinstance(error, ANSWERED) else None


def require(
    *,
    role: str | Iterable[str] = (),
    scope: str | Iterable[str] = (),
    match: Literal["all", "any"] = "all",
    max_age: int | None = None,
) -> Callable[[View], View]:
    """A view for callers with these roles, these scopes, a login so recent; as `Requirement.of`, or any good token.

    In a class: `@method_decorator(require(role="manager"), name="dispatch")`, or over one of its methods.
    """
    requirement = Requirement.maybe(role=role, scope=scope, match=match, max_age=max_age)

    def decorate(view: Any) -> Any:
        guarded = _guarded_async if _is_async(view) else _guarded
        return wraps(view)(guarded(view, requirement))

    return decorate


def optional(view: View) -> View:
    """A view that also takes who sends no credentials: `request.principal` is None. A bad token is refused."""

    @wraps(view)
    def opened(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    marked: Any = markcoroutinefunction(opened) if iscoroutinefunction(view) else opened
    marked.jotgate_optional = True  # and not the view itself: elsewhere it may be closed
    made: View = marked
    return made


def caller(guard: Guard, request: Any) -> Principal | None:
    """Who is asking; waits in this thread. None: there are no credentials. Raises one of `ANSWERED`."""
    return waited(lambda: judged(guard, request), guard.arrivals)


def judged(guard: Guard, request: Any) -> Principal | NeedKeys | None:
    """As `gate.judged`; what most requests are, a lone header, is read without more ado."""
    header = request.META.get("HTTP_AUTHORIZATION")
    if guard.options.cookie is not None or (header is not None and "," in header):
        return gate.judged(guard, facts_of(request))
    token = bearer.from_header(header)
    return None if token is None else guard.check(token, now=guard.clock())


def facts_of(request: Any) -> Facts:
    """A request of Django's, as every framework's. Its scheme and host are what the settings make of proxies."""
    scope = getattr(request, "scope", None)
    sent = wsgi.facts(request.META).every if scope is None else partial(_sent, scope["headers"])

    def every(name: str) -> Sequence[str]:
        return _host(request) if name == "host" else sent(name)

    return Facts(request.method, request.scheme, every)


def answered(guard: Guard, error: JotgateError) -> Any:
    """The answer of `wire.challenge` as a response."""
    answer = guard.answer(error)
    log.info("%d %s: %s", answer.status, error.code, error.detail)
    length = ("Content-Length", str(len(answer.body)))
    return HttpResponse(answer.body, status=answer.status, headers=dict((*answer.headers, length)))


def _sent(headers: Iterable[tuple[bytes, bytes]], wanted: str) -> Sequence[str]:
    """From ASGI, which keeps apart what Django joins."""
    return [value.decode("latin-1") for name, value in headers if name == wanted.encode()]


def _let_in(request: Any, principal: Principal | None, guard: Guard) -> None:
    request.principal = principal
    if principal is not None:
        kind: Any = type(request)
        request.__class__ = _kept_from_caches(kind)
    if principal is not None and (guard.options.cookie is None or _is_in_header(request, guard)):
        request._dont_enforce_csrf_checks = True  # noqa: SLF001  # the switch of Django's that leaves its cookies alone


@cache
def _kept_from_caches(kind: type[Any]) -> type[Any]:
    """Such a request, whose page Django's caches do not keep: inside of us they would before it says `Vary`."""
    never = property(lambda _request: False, lambda _request, _is_wanted: None)
    return type(kind.__name__, (kind,), {"_cache_update_cache": never})


def _is_in_header(request: Any, guard: Guard) -> bool:
    found = credentials(facts_of(request), guard.options)
    return found is not None and found.source == "header"


def _guarded(view: Any, requirement: Requirement | None) -> Callable[..., Any]:
    def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        return _refusal(request, requirement) or _varying(view(request, *args, **kwargs), standing())

    return guarded


def _guarded_async(view: Any, requirement: Requirement | None) -> Callable[..., Any]:
    async def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        return _refusal(request, requirement) or _varying(await view(request, *args, **kwargs), standing())

    return guarded


def _refusal(request: Any, requirement: Requirement | None) -> Any:
    try:
        principal = request.principal
    except AttributeError:
        raise ImproperlyConfigured(
            "@require finds no request.principal: put jotgate.guard.django.GuardMiddleware into MIDDLEWARE, "
            f'and take {request.path_info} out of JOTGATE["exclude"]'
        ) from None
    guard = standing().guard
    if principal is None:
        return answered(guard, TokenMissing())
    try:
        if requirement is not None:
            requirement.check(principal, now=guard.clock())
    except ANSWERED as error:
        return answered(guard, error)
    return None


def _varying(response: Any, stood: Standing) -> Any:
    """What was answered to one caller is not to be taken out of a cache for another."""
    if response is not None:  # a mistake that Django has the words for
        patch_vary_headers(response, stood.vary)
    return response


def _is_async(view: Any) -> bool:
    """Also `dispatch` of a class with asynchronous handlers: a plain method that returns what they do."""
    method = view.func if isinstance(view, partial) else view
    return iscoroutinefunction(view) or bool(getattr(getattr(method, "__self__", None), "view_is_async", False))


def _host(request: Any) -> Sequence[str]:
    try:
        return (request.get_host(),)
    except DisallowedHost:
        return ()
