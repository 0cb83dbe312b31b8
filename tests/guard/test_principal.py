"""Who is asking, and whether that is enough."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest

from jotgate.errors import Forbidden, RoleMissing, ScopeMissing, StepUpRequired
from jotgate.guard.principal import FrozenDict, Principal, Requirement, frozen

ADA = Principal("ada", "s1", ("manager", "trainer"), frozenset({"members:*", "payments:read"}), FrozenDict(name="Ada"))


@pytest.mark.parametrize(
    "wanted",
    [
        {"role": "manager"},
        {"role": ["manager", "trainer"]},
        {"role": ("owner", "manager"), "match": "any"},
        {"scope": "payments:read"},
        {"scope": "members:read"},
        {"scope": "members:read payments:read"},
        {"scope": ["members:read", "payments:read"]},
        {"scope": "payments:write payments:read", "match": "any"},
        {"role": "manager", "scope": "members:*"},
    ],
)
def test_what_is_held_is_enough(wanted: dict[str, Any]) -> None:
    ADA.require(**wanted)


@pytest.mark.parametrize(
    ("wanted", "error", "scope"),
    [
        ({"role": "owner"}, RoleMissing, ""),
        ({"role": "Manager"}, RoleMissing, ""),
        ({"role": ["manager", "owner"]}, RoleMissing, ""),
        ({"role": ["owner", "guest"], "match": "any"}, RoleMissing, ""),
        ({"role": "owner", "scope": "payments:read"}, RoleMissing, "payments:read"),
        ({"scope": "payments:write"}, ScopeMissing, "payments:write"),
        ({"scope": "payments:*"}, ScopeMissing, "payments:*"),
        ({"scope": "members"}, ScopeMissing, "members"),
        ({"scope": "payments:read payments:write"}, ScopeMissing, "payments:read payments:write"),
        ({"role": "manager", "scope": "payments:write"}, ScopeMissing, "payments:write"),
    ],
)
def test_what_is_missing_is_forbidden_and_the_scope_is_named(
    wanted: dict[str, Any], error: type[Forbidden], scope: str
) -> None:
    with pytest.raises(error) as caught:
        ADA.require(**wanted)

    assert caught.value.scope == scope


@pytest.mark.parametrize(
    "wanted", [{}, {"role": ()}, {"role": ""}, {"scope": ""}, {"scope": [""]}, {"role": ["a", ""]}]
)
def test_a_requirement_of_nothing_is_a_mistake(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        ADA.require(**wanted)


@pytest.mark.parametrize("max_age", [0, -1, 1.5, True, "60"])
def test_an_age_is_a_whole_second_or_more(max_age: Any) -> None:
    with pytest.raises(ValueError, match="max_age"):
        Requirement.of(max_age=max_age)


def test_nothing_named_is_no_requirement_where_that_is_allowed() -> None:
    assert Requirement.maybe() is None
    assert Requirement.maybe(max_age=60) == Requirement.of(max_age=60)
    assert Requirement.maybe(scope="a b", match="any") == Requirement((), ("a", "b"), "any")
    with pytest.raises(ValueError, match="at least one"):
        Requirement.maybe(role="")


@pytest.mark.parametrize(
    ("claims", "enough"),
    [
        ({"auth_time": 1000}, True),
        ({"auth_time": 999}, False),
        ({"auth_time": 2000}, True),  # a clock ahead of ours
        ({"auth_time": "1000"}, False),
        ({"auth_time": 1000.5}, False),
        ({}, False),
    ],
)
def test_a_login_of_the_last_five_minutes(claims: dict[str, Any], *, enough: bool) -> None:
    principal = Principal("ada", claims=FrozenDict(claims))

    if enough:
        principal.require_fresh(300, now=1300)
        return
    with pytest.raises(StepUpRequired) as caught:
        principal.require_fresh(300, now=1300)
    assert caught.value.max_age == 300


def test_a_requirement_knows_two_ways_to_match() -> None:
    some: Literal["any"] = "some"  # type: ignore[assignment]  # what a caller without a type checker may write

    with pytest.raises(ValueError, match="all"):
        Requirement.of(role="manager", match=some)


def cannot(change: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="share"):
        change()


def test_claims_cannot_be_changed_at_any_depth() -> None:
    claims = frozen({"name": "Ada", "address": {"city": "London"}, "aud": ["a", {"b": 1}]})

    changes = (
        lambda: claims.__setitem__("name", "Bob"),
        lambda: claims["address"].pop("city"),
        lambda: claims["address"].update(city="Paris"),
        lambda: claims.setdefault("x", 1),
        lambda: claims.__delitem__("name"),
        claims["aud"][1].clear,
    )
    for change in changes:
        cannot(change)
    assert claims == {"name": "Ada", "address": {"city": "London"}, "aud": ("a", {"b": 1})}


def test_claims_are_json_for_every_encoder() -> None:
    claims = frozen({"address": {"city": "London"}, "aud": ["a"]})

    assert json.loads(json.dumps(claims)) == {"address": {"city": "London"}, "aud": ["a"]}
    assert json.loads(msgspec.json.encode(claims)) == {"address": {"city": "London"}, "aud": ["a"]}


def test_a_principal_can_be_copied_pickled_and_hashed() -> None:
    for copied in (copy.deepcopy(ADA), pickle.loads(pickle.dumps(ADA))):
        assert copied == ADA
        assert hash(copied) == hash(ADA)
        assert isinstance(copied.claims, FrozenDict)


def test_claims_do_not_show() -> None:
    assert "name" not in repr(ADA)
