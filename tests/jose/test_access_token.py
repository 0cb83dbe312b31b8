from typing import Any

import msgspec
import pytest

from jotgate.errors import (
    AudienceMismatch,
    Expired,
    IssuerMismatch,
    JotgateError,
    LifetimeExcessive,
    NotYetValid,
)
from jotgate.jose.access_token import check
from jotgate.jose.claims import Expect
from tests.jose.keys import AUDIENCE, CLAIMS, EXPECT, ISSUER, NOW


def outcome(now: int, expect: Expect = EXPECT, **changes: Any) -> type[JotgateError] | None:
    try:
        check(msgspec.structs.replace(CLAIMS, **changes), expect, now)
    except JotgateError as error:
        return type(error)
    return None


def test_good_claims_pass() -> None:
    assert outcome(NOW) is None


@pytest.mark.parametrize(
    "iss",
    [
        ISSUER + "/",
        ISSUER.upper(),
        ISSUER + " ",
        " " + ISSUER,
        ISSUER.replace("https", "http"),
        ISSUER + "\u200b",
        ISSUER + ":443",
        ISSUER + ".evil.example",
        "https://auth.example.com@evil.example",
        "https://аuth.example.com",  # noqa: RUF001 - the first letter is Cyrillic
        ISSUER[:-1],
    ],
)
def test_the_issuer_is_compared_to_the_byte(iss: str) -> None:
    assert outcome(NOW, iss=iss) is IssuerMismatch


@pytest.mark.parametrize(
    "aud",
    [("gyms",), ("Gym",), ("gym ",), (" gym",), ("gy", "m"), ("gym,pool",), ("gym pool",), ("*",), (ISSUER,), ("g*",)],
)
def test_the_audience_is_compared_to_the_byte(aud: tuple[str, ...]) -> None:
    assert outcome(NOW, aud=aud) is AudienceMismatch


@pytest.mark.parametrize("aud", [(AUDIENCE,), ("pool", AUDIENCE), (AUDIENCE, "pool"), (AUDIENCE, AUDIENCE)])
def test_it_is_enough_to_be_one_of_the_audiences(aud: tuple[str, ...]) -> None:
    assert outcome(NOW, aud=aud) is None


@pytest.mark.parametrize("leeway", [0, 10, 60])
def test_on_exp_is_too_late_and_a_second_before_is_not(leeway: int) -> None:
    expect = Expect(ISSUER, AUDIENCE, leeway=leeway)

    assert outcome(CLAIMS.exp + leeway - 1, expect) is None
    assert outcome(CLAIMS.exp + leeway, expect) is Expired
    assert outcome(CLAIMS.exp + leeway + 1, expect) is Expired
    assert outcome(NOW, expect, exp=0) is Expired
    assert outcome(NOW, expect, exp=-1) is Expired


@pytest.mark.parametrize("leeway", [0, 10, 60])
@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_of_the_future_is_not_valid_yet(name: str, leeway: int) -> None:
    expect = Expect(ISSUER, AUDIENCE, leeway=leeway)

    assert outcome(NOW, expect, **{name: NOW + leeway}) is None
    assert outcome(NOW, expect, **{name: NOW + leeway + 1}) is NotYetValid


@pytest.mark.parametrize("longest", [1, 900, 86_400])
def test_a_life_may_be_as_long_as_the_ceiling_and_no_second_longer(longest: int) -> None:
    expect = Expect(ISSUER, AUDIENCE, max_lifetime=longest)

    assert outcome(NOW, expect, exp=NOW + longest) is None
    assert outcome(NOW, expect, exp=NOW + longest + 1) is LifetimeExcessive
    assert outcome(NOW, expect, exp=10**15 - 1) is LifetimeExcessive
    assert outcome(NOW, expect, exp=NOW + longest, iat=NOW - 1) is LifetimeExcessive


def test_the_first_rule_that_does_not_hold_is_told() -> None:
    assert outcome(NOW + 9999, iss="x", aud=("x",)) is IssuerMismatch
    assert outcome(NOW + 9999, aud=("x",)) is AudienceMismatch
    assert outcome(NOW + 9999, nbf=NOW + 99_999) is Expired
