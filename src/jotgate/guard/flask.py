"""The guard in Flask, and what Quart shares with it: a decorator, answers, and who is asking.

    guard.flask(app)                       in a factory too

    @app.get("/payments")
    @guard.required(role="manager")        below the route; above it nothing is guarded, and `guard.flask` says so
    def payments() -> str:
        return current_principal.sub

    request                          `current_principal`
    -----------------------------    ---------------------------------------------------------
    guarded, with a good token       the `Principal`
    `optional`, no credentials       false; what reads anything of it is answered 401
    behind no guard at all           false; what reads anything of it fails: RuntimeError

Refusals are answered by `wire.challenge`, also where `current_principal.require` raises them, unless the application
has an error handler of its own for them. `required` needs no `guard.flask(app)` for that.

What guards a blueprint or an application is a decorated function that is called before requests. OPTIONS that the
framework answers by itself reaches no view and needs no token: preflights of browsers bring none.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from functools import wraps
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, Final, NamedTuple, cast
from weakref import WeakSet

from flask import Flask, Response, current_app, has_request_context, request
from werkzeug.local import LocalProxy

from jotgate.errors import JotgateError, Misuse, TokenMissing
from jotgate.guard import gate
from jotgate.guard.gate import ANSWERED
from jotgate.guard.guard import Guard, View
from jotgate.guard.known import NeedKeys
from jotgate.guard.principal import Principal, Requirement
from jotgate.guard.waiting import awaited, waited
from jotgate.guard.wsgi import PRINCIPAL, facts

GUARD: Final = "jotgate.guard"
log = logging.getLogger("jotgate.guard")
_bare: WeakSet[Callable[..., Any]] = WeakSet()  # what `required` was put on


class Here(NamedTuple):
    """The request in hand, of Flask or of Quart."""

    app: Any
    asked: Any  # the framework's request, or Quart's WebSocket
    notes: MutableMapping[str, Any]  # its WSGI environment, its ASGI scope: there a `GuardMiddleware` leaves who it is
    principal_at: str
    judged: Callable[[Guard, Any], Principal | NeedKeys | None]  # by the notes
    answered: Callable[[JotgateError], Any]
    watch: Callable[[Guard, Principal, Requirement | None], None] | None = None  # what lasts: Quart's WebSockets

    @property
    def is_answered_already(self) -> bool:
        """The framework answers OPTIONS itself."""
        if self.asked.method != "OPTIONS" or self.asked.url_rule is None:
            return False
        return bool(self.asked.url_rule.provide_automatic_options)

    def begin(self, guard: Guard) -> Callable[[], Principal | NeedKeys | None]:
        """See to it that this guard answers; what it says."""
        self.notes[GUARD] = guard
        self.app.error_handler_spec[None][None].setdefault(JotgateError, self.answered)
        return lambda: self.judged(guard, self.notes)

    def admit(self, principal: Principal, requirement: Requirement | None, guard: Guard) -> None:
        """Let the principal in. Raises `Forbidden`, `StepUpRequired`."""
        if requirement is not None:
            requirement.check(principal, now=guard.clock())
        if self.watch is not None:
            self.watch(guard, principal, requirement)

    def check_order(self) -> None:
        """Rather fail than serve a view whose decorator guards nothing. Raises `Misuse`."""
        if self.app.view_functions.get(self.asked.endpoint) in _bare:
            raise Misuse(f"{self.asked.endpoint}: @guard.required stands above the route and guards nothing")


def required(guard: Guard, requirement: Requirement | None, *, optional: bool) -> Callable[[View], View]:
    """What decorates a view, or a function that is called before requests."""

    def settle(here: Here, principal: Principal | None) -> None:
        if principal is not None:
            here.admit(principal, requirement, guard)
        elif not optional:
            raise TokenMissing
        here.notes[here.principal_at] = principal

    def decorate(view: View) -> View:
        @wraps(view)
        def entered(*args: Any, **named: Any) -> Any:
            here = find()
            if here.is_answered_already:
                return None
            settle(here, waited(here.begin(guard), guard.arrivals))
            return view(*args, **named)

        @wraps(view)
        async def entered_async(*args: Any, **named: Any) -> Any:
            here = find()
            if here.is_answered_already:
                return None
            settle(here, await awaited(here.begin(guard), guard.arrivals))
            return await view(*args, **named)

        bare: Any = view
        while bare is not None:  # with what other decorators stand in between
            _bare.add(bare)
            bare = getattr(bare, "__wrapped__", None)
        return cast("View", entered_async if iscoroutinefunction(view) else entered)

    return decorate


def install(guard: Guard, app: Any) -> None:
    """The guard answers its errors wherever in the application they are raised."""
    app.extensions["jotgate"] = guard
    if not isinstance(app, Flask):
        _in_quart().install(app)
        return
    app.error_handler_spec[None][None].setdefault(JotgateError, answered)
    app.before_request(_check_order)


def answered(error: JotgateError) -> Response:
    """The error handler that a guarded application gets."""
    body, status, headers = answer_of(error, find())
    return Response(body, status, headers)


def answer_of(error: JotgateError, here: Here) -> tuple[bytes, int, dict[str, str]]:
    """The answer of `wire.challenge`. Raises the error where it is no guard's business."""
    guard = here.notes.get(GUARD) or here.app.extensions.get("jotgate")
    if guard is None or not isinstance(error, ANSWERED):
        raise error
    answer = guard.answer(error)
    log.info("%d %s: %s", answer.status, error.code, error.detail)
    return answer.body, answer.status, dict(answer.headers)


def find() -> Here:
    """The request in hand. Raises `RuntimeError` where there is none."""
    if "quart" in sys.modules and not has_request_context():
        here: Here | None = _in_quart().find()
        if here is not None:
            return here
    asked = cast("Any", request)._get_current_object()  # noqa: SLF001  # as Flask documents it
    return Here(current_app, asked, asked.environ, PRINCIPAL, _judged, answered)


def _judged(guard: Guard, environ: dict[str, Any]) -> Principal | NeedKeys | None:
    return gate.judged(guard, facts(environ))


def _check_order() -> None:
    find().check_order()


def _in_quart() -> Any:
    """It needs Quart and this module."""
    return import_module("jotgate.guard.quart")


class Nobody(TokenMissing, RuntimeError):  # noqa: N818  # the complaint itself
    """Nobody is asking, and the view wants to know more; a proxy takes RuntimeError for false."""


def _current() -> Principal:
    here = find()
    if here.principal_at not in here.notes:
        raise RuntimeError(
            f"{here.asked.endpoint} asks nobody for a token: @guard.required() is missing, or stands above the route"
        )
    principal: Principal | None = here.notes[here.principal_at]
    if principal is None:
        raise Nobody("the view wants to know who it is")
    return principal


current_principal: Principal = LocalProxy(_current)  # type: ignore[assignment]  # as Flask types its own
