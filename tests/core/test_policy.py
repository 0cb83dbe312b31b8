"""Profiles and what can be chosen."""

from dataclasses import replace
from typing import Any

import pytest

from jotgate.core.policy import FIELDS, PROFILES, Policy, complaints, is_symmetric, policy_for

ISSUER = "https://auth.example.com"
STANDARD = policy_for(ISSUER)


@pytest.mark.parametrize(
    ("profile", "prefix", "identifiers", "access_ttl", "algorithm", "state", "names", "claims"),
    [
        ("standard", "/auth", ("email", "username"), 900, "ES256", True, "oauth", ()),
        ("stateless", "/auth", ("username", "email"), 86400, "ES256", False, "oauth", ("role",)),
        ("classic", "/auth", ("username",), 3600, "HS256", False, "oauth", ("user_id", "name", "role", "email")),
        ("camel", "", ("username",), 3600, "ES256", True, "camel", ("name", "email", "role")),
    ],
)
def test_the_profiles(
    profile: str,
    prefix: str,
    identifiers: tuple[str, ...],
    access_ttl: int,
    algorithm: str,
    state: bool,  # noqa: FBT001  # a row of the table
    names: str,
    claims: tuple[str, ...],
) -> None:
    policy = policy_for(ISSUER, profile)

    assert policy.profile == profile
    assert (policy.prefix, policy.login_identifiers, policy.access_ttl) == (prefix, identifiers, access_ttl)
    assert (policy.algorithm, policy.response_names, policy.extra_claims) == (algorithm, names, claims)
    assert {policy.refresh, policy.sessions, policy.revocation, policy.logout} == {state}
    assert complaints(policy) == ()


def test_the_numbers_of_the_standard_profile() -> None:
    assert (STANDARD.refresh_ttl, STANDARD.refresh_idle) == (30 * 86400, 14 * 86400)
    assert (STANDARD.grace, STANDARD.recovery) == (30, 86400)
    assert (STANDARD.password_min_length, STANDARD.password_max_length) == (12, 256)
    assert (STANDARD.registration, STANDARD.transport) == ("closed", "bearer")


def test_the_issuer_is_its_own_audience_unless_others_are_chosen() -> None:
    assert STANDARD.audience == (ISSUER,)
    assert policy_for(ISSUER, audience=("gym",)).audience == ("gym",)


def state(policy: Policy) -> dict[str, bool]:
    return {name: getattr(policy, name) for name in ("refresh", "sessions", "revocation", "logout")}


@pytest.mark.parametrize(
    ("profile", "chosen", "expected"),
    [
        ("classic", {"refresh": True}, {"refresh": True, "sessions": True, "revocation": True, "logout": True}),
        ("stateless", {"sessions": True}, {"refresh": False, "sessions": True, "revocation": True, "logout": True}),
        (
            "stateless",
            {"sessions": True, "revocation": False},
            {"refresh": False, "sessions": True, "revocation": False, "logout": True},
        ),
        ("standard", {"sessions": False}, {"refresh": False, "sessions": False, "revocation": False, "logout": False}),
        ("standard", {"refresh": False}, {"refresh": False, "sessions": True, "revocation": True, "logout": True}),
        ("camel", {"revocation": False}, {"refresh": True, "sessions": True, "revocation": False, "logout": True}),
    ],
)
def test_what_was_not_chosen_follows(profile: str, chosen: dict[str, Any], expected: dict[str, bool]) -> None:
    policy = policy_for(ISSUER, profile, **chosen)

    assert state(policy) == expected
    assert complaints(policy) == ()


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"access_ttl": 0}, "ACCESS_TTL"),
        ({"access_ttl": 86401}, "ACCESS_TTL"),
        ({"sessions": False, "revocation": False, "logout": False}, "REFRESH "),
        ({"sessions": False, "refresh": False, "logout": False}, "REVOCATION"),
        ({"sessions": False, "refresh": False, "revocation": False}, "LOGOUT"),
        ({"refresh_ttl": 899}, "REFRESH_TTL"),
        ({"refresh_idle": 899}, "REFRESH_IDLE"),
        ({"recovery": 29}, "REFRESH_RECOVERY"),
        ({"grace": -1}, "REFRESH_GRACE"),
        ({"recovery": -1, "grace": -1}, "REFRESH_GRACE"),
        ({"algorithm": "none"}, "ALGORITHM"),
        ({"password_min_length": 7}, "PASSWORD_MIN_LENGTH"),
        ({"password_min_length": 257}, "PASSWORD_MIN_LENGTH"),
        ({"login_identifiers": ()}, "LOGIN_IDENTIFIERS"),
        ({"login_identifiers": ("phone",)}, "LOGIN_IDENTIFIERS"),
        ({"extra_claims": ("password",)}, "EXTRA_CLAIMS"),
        ({"key_lead": 3599}, "KEY_LEAD"),
        ({"audience": ()}, "AUDIENCE"),
    ],
)
def test_what_cannot_work_is_complained_about_by_name(changes: dict[str, Any], setting: str) -> None:
    found = complaints(replace(STANDARD, **changes))

    assert len(found) == 1
    assert found[0].startswith(setting)


@pytest.mark.parametrize(
    "changes",
    [
        {"access_ttl": 1},
        {"access_ttl": 86400},
        {"refresh_ttl": 900},
        {"refresh_idle": 900},
        {"recovery": 30},
        {"recovery": 0},
        {"grace": 0, "recovery": 0},
        {"password_min_length": 8},
        {"password_min_length": 256},
    ],
)
def test_the_bounds_themselves_are_fine(changes: dict[str, Any]) -> None:
    assert complaints(replace(STANDARD, **changes)) == ()


def test_every_complaint_comes_at_once() -> None:
    assert len(complaints(replace(STANDARD, access_ttl=0, algorithm="none", audience=()))) == 3


def test_only_a_shared_secret_is_symmetric() -> None:
    assert is_symmetric("HS512")
    assert policy_for(ISSUER, "classic").symmetric
    assert not STANDARD.symmetric


def test_profiles_name_fields_of_the_policy() -> None:
    assert {name for chosen in PROFILES.values() for name in chosen} <= FIELDS
