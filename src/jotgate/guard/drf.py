"""The guard in Django REST framework: who is asking is `request.auth`, and `request.user` a `Caller`.

    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["jotgate.guard.drf.BearerAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    }
    JOTGATE = {"issuer": "https://auth.example.com", "audience": "shop"}

    permission_classes = [HasScope("members:read") | HasRole("manager"), Fresh(300)]

    request                                          answer
    ---------------------------------------------    ------------------------------------------------------------
    a good token                                     the view's
    none                                             the view's, or 401 where a permission wants somebody
    any other                                        the guard's
    that lacks what the permissions here ask for     the guard's, for the last of them that failed
    that another permission refuses                  the framework's: {"detail": ...}
    with a guard's error raised in the view          the guard's

The guard's answers are those of `wire.challenge`, whatever renderers and exception handler the view has. No middleware
is needed. drf-spectacular finds the security scheme by itself.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, Final, Literal

from django.db import connections
from rest_framework.exceptions import APIException, NotAuthenticated, PermissionDenied
from rest_framework.permissions import OperationHolderMixin

from jotgate.errors import Forbidden, JotgateError, StepUpRequired, TokenMissing
from jotgate.guard.django import answered, caller
from jotgate.guard.django_settings import standing
from jotgate.guard.gate import ANSWERED
from jotgate.guard.principal import Principal, Requirement
from jotgate.wire.challenge import challenge_of

_NOBODY: Final = Principal("")


class BearerAuthentication:
    """For `authentication_classes`. Put `user_of` over it to map callers to users of your own."""

    def __init__(self) -> None:
        """The framework makes one for each request."""
        if "drf_spectacular.extensions" in sys.modules:  # not before: it imports the views, which import us
            import_module("jotgate.guard.drf_openapi")

    def authenticate(self, request: Any) -> tuple[Any, Principal] | None:
        """Who is asking; None: there are no credentials. Raises `Refused`."""
        stood = standing()
        view = request.parser_context.get("view")
        if view is not None:
            _answer_for(view)
            _vary(getattr(view, "headers", {}), stood.vary)  # none before `dispatch`
        try:
            principal = caller(stood.guard, request._request)  # noqa: SLF001  # Django's own
        except ANSWERED as error:
            raise Refused(error) from None
        if principal is None:
            return None
        request._request.principal = principal  # noqa: SLF001  # where Django's users look for it
        return self.user_of(principal), principal

    def authenticate_header(self, _request: Any) -> str | None:
        """The challenge of a 401 that others raise: with one, the framework makes no 403 of it."""
        return challenge_of(TokenMissing(), realm=standing().guard.options.realm)

    def user_of(self, principal: Principal) -> Any:
        """What `request.user` is."""
        return Caller(principal)


@dataclass(frozen=True, slots=True)
class Caller:
    """`request.user` where a good token was sent: a user without a row. Throttles count it by its subject."""

    principal: Principal

    is_authenticated: ClassVar = True
    is_anonymous: ClassVar = False
    is_active: ClassVar = True
    is_staff: ClassVar = False
    is_superuser: ClassVar = False

    @property
    def pk(self) -> str:
        """The subject."""
        return self.principal.sub

    id = pk

    @property
    def username(self) -> str:
        """The user name that the token says, or the subject."""
        return str(self.principal.claims.get("preferred_username") or self.principal.sub)

    def get_username(self) -> str:
        """The same."""
        return self.username

    def __str__(self) -> str:
        return self.username

    def has_perm(self, _perm: object, _obj: object = None) -> bool:
        """Permissions of Django's models belong to its own users."""
        return False

    has_perms = has_module_perms = has_perm


def HasScope(*scopes: str, match: Literal["all", "any"] = "all") -> "Needs":  # noqa: N802  # it reads as a class there
    """For `permission_classes`: the caller holds all of these scopes, or any."""
    return Needs(Requirement.of(scope=" ".join(scopes), match=match))


def HasRole(*roles: str, match: Literal["all", "any"] = "all") -> "Needs":  # noqa: N802  # the same
    """For `permission_classes`: the caller has all of these roles, or any."""
    return Needs(Requirement.of(role=roles, match=match))


def Fresh(max_age: int) -> "Needs":  # noqa: N802  # the same
    """For `permission_classes`: the caller logged in at most `max_age` seconds ago (RFC 9470)."""
    return Needs(Requirement.of(max_age=max_age))


class Needs(OperationHolderMixin):  # type: ignore[misc]  # untyped: it gives & | ~
    """A permission that is its own class: the framework calls what `permission_classes` lists."""

    def __init__(self, requirement: Requirement) -> None:
        self._requirement = requirement

    def __call__(self) -> "Needs":
        """This one: it has nothing to remember of a request."""
        return self

    def has_permission(self, request: Any, view: Any) -> bool:
        """Whether the caller has it; if not, the guard's words are left for the answer."""
        principal = request.auth if isinstance(request.auth, Principal) else _NOBODY
        try:
            self._requirement.check(principal, now=standing().guard.clock())
        except (Forbidden, StepUpRequired) as error:
            request.jotgate_refusal = error
            _answer_for(view)
            return False
        return True

    def has_object_permission(self, request: Any, view: Any, _obj: object) -> bool:
        """The same for every object."""
        return self.has_permission(request, view)


class Refused(APIException):  # type: ignore[misc]  # untyped
    """A refused token, so that the framework knows nobody is there; `error` is what the guard says."""

    def __init__(self, error: JotgateError) -> None:
        super().__init__(error.description, error.code)
        self.status_code = error.status
        self.error = error


def _answer_for(view: Any) -> None:
    """From here on the guard's errors in this view, which is made for one request, are answered by the guard."""
    if "get_exception_handler" not in vars(view):
        former = view.get_exception_handler
        view.get_exception_handler = lambda: partial(_handle, former())


def _handle(former: Callable[[Exception, Any], Any], error: Exception, context: Mapping[str, Any]) -> Any:
    refusal = _refusal(error, context["request"])
    if refusal is None:
        return former(error, context)
    for connection in connections.all(initialized_only=True):  # as the framework does for its own errors
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)
    return answered(standing().guard, refusal)


def _refusal(error: Exception, request: Any) -> JotgateError | None:
    match error:
        case Refused():
            return error.error
        case JotgateError() if isinstance(error, ANSWERED):
            return error
        case NotAuthenticated() if any(isinstance(one, BearerAuthentication) for one in request.authenticators[:1]):
            return TokenMissing()
        case PermissionDenied() if str(error) == str(PermissionDenied.default_detail):  # others have their own words
            left: JotgateError | None = getattr(request, "jotgate_refusal", None)
            return left
    return None


def _vary(headers: dict[str, str], names: tuple[str, ...]) -> None:
    headers["Vary"] = ", ".join((headers["Vary"], *names) if "Vary" in headers else names)
