"""The setting JOTGATE: which guard stands, with every complaint at once."""

from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from jotgate.guard.django import GuardMiddleware
from jotgate.guard.django_settings import standing
from jotgate.jose import jwk, jwks
from tests.guard.djangoland import CSRF, GUARD, ISSUER, KEY, guard

OURS = guard(realm="ours")
OPTIONS = {"issuer": ISSUER, "jwks": jwks.of(jwk.public_half(KEY))}


@pytest.mark.parametrize("said", [OURS, f"{__name__}.OURS", {"guard": OURS}, {"guard": f"{__name__}.OURS"}])
def test_a_guard_may_be_made_elsewhere(said: object) -> None:
    with override_settings(JOTGATE=said):
        assert standing().guard is OURS


def test_a_guard_is_made_of_its_options() -> None:
    with override_settings(JOTGATE=OPTIONS | {"algorithms": ["ES256"], "realm": "shop", "cookie": "at"}):
        made = standing()

        assert (made.guard.options.algorithms, made.guard.options.realm) == (("ES256",), "shop")
        assert standing() is made


@pytest.mark.parametrize("said", [{}, {"exclude": ["/healthz"]}, None], ids=["nothing", "paths alone", "no setting"])
def test_without_options_the_environment_says_them(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_ISSUER", "https://from.env")
    with override_settings(JOTGATE=said):
        if said is None:
            del settings.JOTGATE

        assert standing().guard.options.issuer == "https://from.env"


def test_an_overridden_setting_makes_another_guard() -> None:
    before = standing()

    with override_settings(JOTGATE=OURS, SECRET_KEY="another"):
        assert standing() is not before

    assert standing().guard is not OURS


@pytest.mark.parametrize(
    ("said", "complaints"),
    [
        ([], ["JOTGATE: allowed is a dictionary, a Guard or the path of one, not list"]),
        ({"guard": 1}, ["JOTGATE: guard = 1: allowed is a Guard, or the dotted path of one"]),
        ("nowhere.at.all", ["JOTGATE: guard = 'nowhere.at.all': No module named 'nowhere'"]),
        ({"guard": OURS, "leeway": 5}, ["JOTGATE: leeway: to be said where the guard is made"]),
        ({"audience": "shop"}, ["JOTGATE: issuer: is needed"]),
        ({"guard": OURS, "protect": "no"}, ["JOTGATE: protect = 'no': allowed is True or False"]),
        ({"guard": OURS, "exclude": ["healthz"]}, ["JOTGATE: exclude = ['healthz']: allowed are paths such as"]),
        (
            {"isuer": ISSUER, "leeway": 90, "exclude": 1, "protect": None},
            ["exclude = 1", "protect = None", "isuer: there is no such option", "issuer: is needed", "leeway = 90"],
        ),
    ],
)
def test_a_wrong_setting_stops_the_start_with_every_complaint(said: Any, complaints: list[str]) -> None:
    with override_settings(JOTGATE=said):
        with pytest.raises(ImproperlyConfigured) as stopped:
            GuardMiddleware(lambda request: request)
        found = checks.run_checks(include_deployment_checks=False)

    assert all(complaint in str(stopped.value) for complaint in complaints)
    ours = [message for message in found if message.id == "jotgate.E001"]
    assert [any(complaint in message.msg for message in ours) for complaint in complaints] == [True] * len(complaints)
    assert len(ours) == len(complaints)


def test_no_complaint_shows_a_secret() -> None:
    with (
        override_settings(JOTGATE={"issuer": ISSUER, "hs256_secret": "hunter2", "feed_token": "hunter2 "}),
        pytest.raises(ImproperlyConfigured) as stopped,
    ):
        standing()

    assert "hunter2" not in str(stopped.value)


@pytest.mark.parametrize(
    ("middleware", "found"),
    [([GUARD, CSRF], []), ([CSRF, GUARD], ["jotgate.W001"]), ([CSRF], []), ([GUARD], [])],
)
def test_a_check_knows_the_order_that_answers_best(middleware: list[str], found: list[str]) -> None:
    with override_settings(JOTGATE=OURS, MIDDLEWARE=middleware):
        assert [message.id for message in checks.run_checks() if message.id.startswith("jotgate")] == found
