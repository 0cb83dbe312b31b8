"""Who is asking, as Django REST framework's users know users: `request.user`, throttles, objects, test clients."""

from typing import Any

import pytest

from tests.guard.djangoland import bearer, guard, said

# Django's settings come before what reads them.
# isort: split
from django.contrib.auth.models import AnonymousUser, Group
from django.core.cache import cache
from django.test import override_settings
from django.urls import path
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.throttling import UserRateThrottle

from jotgate.guard.drf import BearerAuthentication, Caller, HasRole, HasScope, Refused
from jotgate.guard.principal import Principal
from tests.guard.test_drf import BAD, OWN, Who, needing, serve


class Twice(UserRateThrottle):  # type: ignore[misc]  # untyped
    rate = "2/hour"


def test_throttles_count_callers_by_their_subject() -> None:
    cache.clear()
    view = Who.as_view(throttle_classes=[Twice])

    statuses = [serve(view, bearer(sub=sub, jti=jti)).status_code for sub in ("ada", "bob") for jti in "abc"]

    assert statuses == [200, 200, 429] * 2
    cache.clear()


def test_a_caller_is_a_user_without_a_row() -> None:
    ada = Caller(Principal("ada", claims={"preferred_username": "countess"}))

    assert (ada.pk, ada.id, ada.username, ada.get_username(), str(ada)) == ("ada", "ada", *["countess"] * 3)
    assert Caller(Principal("bob")).username == "bob"
    assert ada.is_authenticated
    assert ada.is_active
    assert (ada.is_anonymous, ada.is_staff, ada.is_superuser) == (False, False, False)
    assert (ada.has_perm("shop.add_x"), ada.has_perms(["shop.add_x"]), ada.has_module_perms("shop")) == (False,) * 3
    assert ada == Caller(ada.principal)


class Groups(Who):
    queryset = Group.objects.none()


def test_permissions_of_models_are_for_djangos_own_users() -> None:
    view = Groups.as_view(permission_classes=[DjangoModelPermissions])

    assert said(serve(view, bearer(), method="POST")) == OWN


class Mapped(BearerAuthentication):
    """An application's own users."""

    def user_of(self, principal: Principal) -> Any:
        return f"user {principal.sub}", principal.sid


class Says(Who):
    def get(self, request: Request) -> Response:
        return Response([str(request.user), request.principal.sub])


def test_callers_may_be_mapped_to_users() -> None:
    assert said(serve(Says.as_view(), bearer()))[1] == ["ada", "ada"]
    mapped = Says.as_view(authentication_classes=[Mapped], permission_classes=[])
    assert said(serve(mapped, bearer()))[1] == ["('user ada', 's1')", "ada"]


class Owned(Who):
    def get(self, request: Request) -> Response:
        self.check_object_permissions(request, object())
        return super().get(request)


@pytest.mark.parametrize("permission", [HasRole("manager"), ~HasRole("owner"), HasRole("owner") | HasRole("manager")])
def test_what_is_allowed_is_allowed_for_each_object(permission: Any) -> None:
    assert said(serve(Owned.as_view(permission_classes=[permission]), bearer())) == (200, {"sub": "ada"})


def test_a_client_of_the_framework_can_act_as_anybody() -> None:
    principal = Principal("bob", scopes=frozenset({"members:read"}))
    with override_settings(ROOT_URLCONF=(path("x", needing(HasScope("members:read"))),)):
        client = APIClient()
        client.force_authenticate(user=Caller(principal), token=principal)

        assert said(client.get("/x")) == (200, {"sub": "bob"})


def test_a_request_without_a_view_is_authenticated_alike() -> None:
    with override_settings(JOTGATE=guard()):
        asked = Request(APIRequestFactory().get("/x", headers=bearer()), authenticators=[BearerAuthentication()])
        refused = Request(APIRequestFactory().get("/x", headers=BAD), authenticators=[BearerAuthentication()])

        assert asked.user.pk == "ada"
        with pytest.raises(Refused, match="malformed"):
            assert refused.user
        assert refused.user == AnonymousUser()
