"""What the issuer's answers mean: the table of `jotgate.client.answers`, row by row."""

import json
from typing import Any

import pytest

from jotgate.client.answers import Away, Heard, Over, Silence, Unfit, accepted, ended, granted, kept, refreshed, refusal
from jotgate.client.tokens import Tokens
from jotgate.errors import (
    GrantError,
    Invalid,
    LoginError,
    NotFound,
    Replayed,
    Throttled,
    TokenFileRefused,
    Unavailable,
)

AT = 1_000_000.0
BEFORE = Tokens("old", "jgr_old")
DATE = "Mon, 12 Jan 1970 13:46:40 GMT"  # AT
LATER = "Mon, 12 Jan 1970 13:48:00 GMT"  # 80 s later


def heard(status: int, said: Any = None, **more: Any) -> Heard:
    body = said if isinstance(said, bytes) else json.dumps(said or {}).encode()
    return Heard(status, body, **({"at": AT} | more))


@pytest.mark.parametrize(
    ("said", "access", "refresh"),
    [
        ({"access_token": "a", "refresh_token": "r"}, "a", "r"),
        ({"token": "a", "refreshToken": "r"}, "a", "r"),
        ({"access_token": "a", "token_type": "bearer"}, "a", "jgr_old"),
    ],
)
def test_a_refresh_with_tokens_is_adopted(said: dict[str, str], access: str, refresh: str) -> None:
    assert refreshed(heard(200, said), BEFORE) == Tokens(access, refresh, int(AT))


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (401, {"error": "invalid_grant", "code": "refresh_invalid"}, False),
        (401, {"error": "invalid_grant", "code": "refresh_replayed"}, True),
        (400, {"error": "invalid_grant"}, False),
    ],
)
def test_the_issuers_word_ends_a_session(status: int, said: dict[str, str], *, expected: bool) -> None:
    outcome = refreshed(heard(status, said), BEFORE)

    assert isinstance(outcome, Over)
    assert outcome.replayed is expected


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(status: int) -> None:
    outcome = refreshed(heard(status, retry_after="7"), BEFORE)

    assert isinstance(outcome, Away)
    assert (outcome.again, outcome.retry_after) == (True, 7)


@pytest.mark.parametrize(
    "said",
    [
        b"<html>", b"", b"[]", {"access_token": ""}, {"access_token": "a b"}, {"access_token": "\n"},
        {"access_token": "\u00e9"}, {"access_token": "x" * 8193}, {"access_token": 5}, {"refresh_token": "r"},
        {"access_token": "a", "token_type": "DPoP"}, {"access_token": "a", "token_type": 1},
        {"access_token": "a", "refresh_token": 5}, {"access_token": "a", "refresh_token": "r\r\nX: y"},
    ],
)  # fmt: skip
def test_an_answer_without_tokens_is_somebody_elses(said: Any) -> None:
    assert isinstance(outcome := refreshed(heard(200, said), BEFORE), Away)
    assert outcome.again
    assert granted(heard(200, said)) is None


def test_no_answer_is_asked_for_again() -> None:
    assert refreshed(Silence("cut"), BEFORE) == Away("cut", again=True)


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 404, 405, 415, 422])
def test_anything_else_neither_ends_a_session_nor_is_asked_again_at_once(status: int) -> None:
    outcome = refreshed(heard(status, {"error": "unauthorized"}), BEFORE)

    assert isinstance(outcome, Away)
    assert not outcome.again


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("0", 0), ("7", 7), (" 7 ", 7), ("300", 300), ("301", 300), ("9" * 400, 300), ("-5", 0), ("soon", 0), ("", 0)],
)
def test_retry_after_is_bounded(said: str, seconds: int) -> None:
    assert refreshed(heard(503, retry_after=said), BEFORE) == Away(
        "the issuer answered 503 to the refresh", retry_after=seconds, again=True
    )


@pytest.mark.parametrize(("date", "at"), [(DATE, AT + 999), ("", AT)])
def test_retry_after_may_be_a_date_by_the_issuers_clock(date: str, at: float) -> None:
    outcome = refreshed(heard(503, retry_after=LATER, date=date, at=at), BEFORE)

    assert isinstance(outcome, Away)
    assert outcome.retry_after == 80


@pytest.mark.parametrize(
    ("date", "at", "offset"),
    [
        (DATE, AT + 0.5, 0),
        (DATE, AT + 600.5, -600),
        (DATE, AT - 599.5, 600),
        ("Mon, 12 Jan 1970 13:46:40 -0000", AT + 0.5, 0),
        ("never", AT + 600, 0),
        ("", AT + 600, 0),
    ],
)
def test_the_clocks_are_compared_by_the_date(date: str, at: float, offset: int) -> None:
    tokens = granted(heard(200, {"access_token": "a", "expires_in": 900}, date=date, at=at))

    assert tokens is not None
    assert tokens.offset == offset
    assert tokens.expires_at == int(at + offset) + 900


@pytest.mark.parametrize("expires_in", ["900", 9.5, True, -1, 10**9, None])
def test_an_end_that_is_no_number_of_seconds_is_not_known(expires_in: Any) -> None:
    tokens = granted(heard(200, {"access_token": "a", "expires_in": expires_in}))

    assert tokens is not None
    assert tokens.expires_at is None


def test_tokens_from_elsewhere_last_as_long_as_is_said() -> None:
    assert kept("a", "r", 60, at=AT) == Tokens("a", "r", int(AT), int(AT) + 60)
    assert kept("a", "r", None, at=AT) == Tokens("a", "r", int(AT))


@pytest.mark.parametrize("status", [200, 204, 401, 404, 405])
def test_a_session_is_over_when_the_issuer_says_so_or_knows_of_none(status: int) -> None:
    assert ended(heard(status)) is None


@pytest.mark.parametrize(
    ("said", "again"), [(Silence("cut"), True), (heard(503), True), (heard(302), False), (heard(403), False)]
)
def test_a_logout_that_was_not_heard_is_none(said: Heard | Silence, *, again: bool) -> None:
    assert isinstance(outcome := ended(said), Away)
    assert outcome.again is again


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Silence("cut"), Unavailable),
        (heard(200, {}), Unavailable),
        (heard(401), LoginError),
        (heard(403), Unavailable),
        (heard(404), NotFound),
        (heard(405), NotFound),
        (heard(422, {"field": "email", "error_description": "email: is missing"}), Invalid),
        (heard(422, {"field": 5}), Invalid),
        (heard(429, retry_after="9"), Throttled),
        (heard(503, retry_after="9"), Unavailable),
    ],
)
def test_a_login_without_tokens_says_why(said: Heard | Silence, expected: type[Exception]) -> None:
    error = refusal(said)

    assert type(error) is expected
    if isinstance(said, Heard) and said.retry_after:
        assert vars(error)["retry_after"] == 9


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Over("over"), GrantError),
        (Over("over", replayed=True), Replayed),
        (Away("away", retry_after=5), Unavailable),
        (Unfit("open"), TokenFileRefused),
    ],
)
def test_each_who_waited_gets_an_error_of_their_own(outcome: Over | Away | Unfit, expected: type[Exception]) -> None:
    raised = []
    for _ in range(2):
        with pytest.raises(expected) as caught:
            accepted(outcome)
        raised.append(caught.value)

    assert type(raised[0]) is expected
    assert raised[0] is not raised[1]
