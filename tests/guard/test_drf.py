"""The guard in Django REST framework: authentication and permissions, in answers of the guard's own."""

from tests.guard.djangoland import (
    GUARD,
    NOW,
    bearer,
    guard,
    in_transactions,
    said,
    serve_async,
    serve_sync,
    token,
    write,
)

# Django's settings come before what reads them.
# isort: split
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import override_settings
from django.urls import path
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from jotgate.errors import NotFound, SettingsError
from jotgate.guard.drf import BearerAuthentication, Fresh, HasRole, HasScope
from tests.guard.processes import running
from tests.guard.standin import StandIn

BAD = {"Authorization": "Bearer x"}
ROOT = Path(__file__).parents[2]
OWN = (403, {"detail": "You do not have permission to perform this action."})


class Who(APIView):  # type: ignore[misc]  # untyped
    """Says who is asking."""

    authentication_classes: tuple[Any, ...] = (BearerAuthentication,)
    permission_classes: tuple[Any, ...] = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response({"sub": request.auth.sub if request.auth else None})

    post = get


class Raises(Who):
    """Raises an error in the view itself."""

    error: Any = None

    def get(self, request: Request) -> Response:
        if self.error is None:
            request.auth.require(role="owner")
        raise self.error


class Refuses(BasePermission):  # type: ignore[misc]  # untyped
    """Somebody else's permission."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class Logs(SessionAuthentication):  # type: ignore[misc]  # untyped
    """Somebody else's way to know everybody."""

    def authenticate(self, request: Request) -> Any:
        return AnonymousUser(), None


class Sundays(BasePermission):  # type: ignore[misc]  # untyped
    """Has words of its own."""

    message = "not on Sundays"

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


def serve(view: Any, headers: Any = (), *, method: str = "GET", **options: Any) -> Any:
    """One request at one view."""
    with override_settings(ROOT_URLCONF=(path("x", view),), **{"JOTGATE": guard(), "MIDDLEWARE": []} | options):
        return serve_sync("/x", headers, method=method)


def needing(*permissions: Any) -> Any:
    return Who.as_view(permission_classes=permissions)


@pytest.mark.parametrize(
    ("permissions", "headers", "answer"),
    [
        ([], {}, (200, {"sub": None})),
        ([], bearer(), (200, {"sub": "ada"})),
        ([], BAD, (401, "token_malformed")),
        ([IsAuthenticated], {}, (401, "token_missing")),
        ([IsAuthenticated], {"Authorization": "Basic YTpi"}, (401, "token_missing")),
        ([IsAuthenticated], bearer(), (200, {"sub": "ada"})),
        ([IsAuthenticated], bearer(iat=NOW - 200, exp=NOW - 100), (401, "token_expired")),
        ([IsAuthenticated], {"Authorization": f"Bearer {token()},Bearer {token()}"}, (400, "credentials_ambiguous")),
        ([HasScope("members:read")], {}, (401, "token_missing")),
        ([HasScope("members:read")], bearer(), (200, {"sub": "ada"})),
        ([HasScope("members:read")], bearer(scope="members:*"), (200, {"sub": "ada"})),
        ([HasScope("members:read")], bearer(scope=""), (403, "scope_missing")),
        ([HasScope("members:read", "payments:read")], bearer(), (403, "scope_missing")),
        ([HasScope("members:read", "payments:read", match="any")], bearer(), (200, {"sub": "ada"})),
        ([HasRole("manager")], bearer(), (200, {"sub": "ada"})),
        ([HasRole("manager")], bearer(roles=()), (403, "role_missing")),
        ([HasRole("owner", "manager")], bearer(), (403, "role_missing")),
        ([HasRole("owner", "manager", match="any")], bearer(), (200, {"sub": "ada"})),
        ([HasRole("owner") | HasRole("manager")], bearer(), (200, {"sub": "ada"})),
        ([HasRole("owner") | HasScope("payments:read")], bearer(), (403, "scope_missing")),
        ([HasRole("owner") & HasScope("payments:read")], bearer(), (403, "role_missing")),
        ([HasRole("manager") & HasScope("members:read")], bearer(), (200, {"sub": "ada"})),
        ([IsAuthenticated & HasRole("manager")], bearer(), (200, {"sub": "ada"})),
        ([IsAuthenticated & HasRole("owner")], bearer(), (403, "role_missing")),
        ([~HasRole("owner")], bearer(), (200, {"sub": "ada"})),
        ([~HasRole("manager")], bearer(), OWN),
        ([HasRole("manager") & Refuses], bearer(), OWN),
        ([HasRole("owner") | Refuses], bearer(), (403, "role_missing")),
        ([HasRole("owner") | AllowAny, Sundays], bearer(), (403, {"detail": "not on Sundays"})),
        ([IsAdminUser], bearer(), OWN),
    ],
)
def test_permissions_combine(permissions: list[Any], headers: dict[str, str], answer: tuple[int, Any]) -> None:
    assert said(serve(needing(*permissions), headers)) == answer


@pytest.mark.parametrize(("age", "answer"), [(300, (200, {"sub": "ada"})), (301, (401, "step_up_required"))])
def test_a_view_can_ask_for_a_recent_login(age: int, answer: tuple[int, Any]) -> None:
    stands = guard()
    stands.clock = lambda: NOW

    assert (
        said(serve(needing(Fresh(300)), bearer(iat=NOW, exp=NOW + 900, auth_time=NOW - age), JOTGATE=stands)) == answer
    )


@pytest.mark.parametrize("make", [HasScope, HasRole, lambda: HasRole(""), lambda: Fresh(0)])
def test_a_permission_of_nothing_is_refused_when_it_is_made(make: Any) -> None:
    with pytest.raises(ValueError, match=r"at least one|1 second"):
        make()


@pytest.mark.parametrize("accept", ["application/json", "text/html", "application/xml"])
def test_a_refusal_is_the_guards_answer_whatever_the_renderer(accept: str) -> None:
    view = Who.as_view(
        permission_classes=[HasScope("payments:read")], renderer_classes=[BrowsableAPIRenderer, JSONRenderer]
    )

    refused = serve(view, {"Accept": accept, **bearer()})
    if accept == "application/xml":
        assert refused.status_code == 406  # the framework's: it comes before anybody is asked who it is
        return

    assert refused.status_code == 403
    assert (
        refused.headers["WWW-Authenticate"] == 'Bearer realm="api", error="insufficient_scope", scope="payments:read"'
    )
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["Content-Type"] == "application/json"
    assert refused.json()["code"] == "scope_missing"


def test_a_view_may_be_browsed() -> None:
    page = serve(Who.as_view(renderer_classes=[BrowsableAPIRenderer]), bearer(extra={"preferred_username": "countess"}))

    assert page.status_code == 200
    assert "countess" in page.text


def test_an_error_of_the_guards_in_a_view_is_answered() -> None:
    assert said(serve(Raises.as_view(), bearer())) == (403, "role_missing")


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (PermissionDenied("not on Sundays"), (403, {"detail": "not on Sundays"})),
        (PermissionDenied(), OWN),
        (NotAuthenticated(), (401, "token_missing")),
    ],
)
def test_the_frameworks_errors_are_its_own(error: Exception, answer: tuple[int, Any]) -> None:
    assert said(serve(Raises.as_view(error=error), bearer())) == answer


@pytest.mark.parametrize("error", [NotFound(), SettingsError(()), ValueError()])
def test_an_error_that_is_no_refusal_is_left_to_django(error: Exception) -> None:
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(type(error)):
        serve(Raises.as_view(error=error), bearer())


def handled(error: Exception, context: Any) -> Response:
    """An application's own words for errors."""
    return Response({"handled": type(error).__name__}, status=418)


def test_the_applications_handler_gets_all_but_the_guards_errors() -> None:
    with override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": handled}):
        assert said(serve(needing(Sundays), bearer())) == (418, {"handled": "PermissionDenied"})
        assert said(serve(needing(IsAuthenticated), BAD)) == (401, "token_malformed")


# --- beside other ways to be known


def test_where_another_way_comes_first_its_challenge_is_sent() -> None:
    ways = (BasicAuthentication, BearerAuthentication)

    refused = serve(Who.as_view(authentication_classes=ways))

    assert said(refused) == (401, {"detail": "Authentication credentials were not provided."})
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="api"'
    assert said(serve(Who.as_view(authentication_classes=ways), bearer())) == (200, {"sub": "ada"})


def test_where_another_way_fails_the_challenge_is_the_first_ones() -> None:
    view = Who.as_view(authentication_classes=(BearerAuthentication, BasicAuthentication))

    refused = serve(view, {"Authorization": "Basic !"})

    assert said(refused)[0] == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_who_is_known_in_another_way_holds_no_scope() -> None:
    view = Who.as_view(authentication_classes=(Logs,), permission_classes=[HasScope("members:read")])

    assert said(serve(view)) == (403, "scope_missing")


def test_a_view_without_authentication_says_so_in_the_frameworks_words() -> None:
    view = Raises.as_view(authentication_classes=(), permission_classes=[], error=NotAuthenticated())

    assert said(serve(view)) == (403, {"detail": "Authentication credentials were not provided."})
    assert said(serve(needing_nobody(HasRole("manager")))) == (403, "role_missing")


def needing_nobody(*permissions: Any) -> Any:
    return Who.as_view(authentication_classes=(), permission_classes=permissions)


def test_behind_the_middleware_too() -> None:
    assert said(serve(needing(HasRole("manager")), MIDDLEWARE=[GUARD])) == (401, "token_missing")
    assert said(serve(needing(HasRole("manager")), bearer(), MIDDLEWARE=[GUARD])) == (200, {"sub": "ada"})


def test_behind_asgi() -> None:
    with override_settings(ROOT_URLCONF=(path("x", Who.as_view()),), JOTGATE=guard()):
        assert said(serve_async("/x", bearer())) == (200, {"sub": "ada"})
        assert said(serve_async("/x")) == (401, "token_missing")
        assert said(serve_async("/x", [*bearer().items(), *bearer().items()])) == (400, "credentials_ambiguous")


def test_a_cookie_is_checked_by_the_guard() -> None:
    sent = {"Cookie": f"at={token(extra={'csrf': 'c1'})}", "X-CSRF-Token": "c1"}
    stands = guard(cookie="at")

    assert said(serve(Who.as_view(), sent, JOTGATE=stands)) == (200, {"sub": "ada"})
    assert said(serve(Who.as_view(), sent, method="POST", JOTGATE=stands)) == (403, "cross_site")
    same = sent | {"Origin": "http://testserver"}
    assert said(serve(Who.as_view(), same, method="POST", JOTGATE=stands)) == (200, {"sub": "ada"})


def test_answers_vary_with_what_they_depend_on() -> None:
    assert serve(Who.as_view(renderer_classes=[JSONRenderer]), bearer()).headers["Vary"] == "Authorization"
    stands = guard(cookie="at")
    view = Who.as_view(renderer_classes=[JSONRenderer, BrowsableAPIRenderer])
    assert serve(view, bearer(), JOTGATE=stands).headers["Vary"] == "Accept, Authorization, Cookie"


class Early(Who):
    """Wants to know who is asking before the framework does."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        assert self.initialize_request(request).user.pk == "ada"
        return super().dispatch(request, *args, **kwargs)


def test_a_view_may_ask_early_who_is_asking() -> None:
    assert said(serve(Early.as_view(), bearer())) == (200, {"sub": "ada"})


# --- what Django does besides


class Writes(Raises):
    def get(self, request: Request) -> Response:
        write()
        return super().get(request)


def test_what_a_view_wrote_before_a_refusal_is_rolled_back() -> None:
    with in_transactions() as rows, override_settings(ROOT_URLCONF=(path("x", Writes.as_view()),), JOTGATE=guard()):
        answer = APIClient().get("/x", headers=bearer())
        stayed = rows()

    assert (said(answer), stayed) == ((403, "role_missing"), 0)


def test_behind_gunicorn(tmp_path: Path, issuer: StandIn) -> None:
    command = ["gunicorn", "--bind=127.0.0.1:0", "--threads=2", "examples.quickstart.drf_app:app"]

    with running(tmp_path, *command, JOTGATE_ISSUER=issuer.url, PYTHONPATH=str(ROOT)) as url:
        good = {"Authorization": f"Bearer {issuer.token()}"}
        assert httpx2.get(f"{url}/me", headers=good).json() == {"sub": "ada"}
        assert httpx2.get(f"{url}/members", headers=good).json() == ["ada", "bob"]
        poor = {"Authorization": f"Bearer {issuer.token(roles=())}"}
        assert said(httpx2.get(f"{url}/members", headers=poor)) == (403, "role_missing")
        assert said(httpx2.get(f"{url}/me")) == (401, "token_missing")
