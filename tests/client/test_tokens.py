"""When tokens are sent and renewed: the tables of `jotgate.client.tokens`, row by row."""

import math

import pytest

from jotgate.client.tokens import Plan, Tokens, doubted, hold, lifetime, plan, renewable
from jotgate.jose import Claims, b64, jwt, new_key

AT = 1_000_000
LIFE = 900


def tokens(*, life: int | None = LIFE, refresh: str | None = "r", offset: int = 0) -> Tokens:
    return Tokens("a", refresh, AT, None if life is None else AT + life, offset)


@pytest.mark.parametrize(
    ("refresh", "after", "expected"),
    [
        ("r", 0, Plan.SEND),
        ("r", LIFE - 181, Plan.SEND),
        ("r", LIFE - 180, Plan.AHEAD),
        ("r", LIFE - 6, Plan.AHEAD),
        ("r", LIFE - 5, Plan.FIRST),
        ("r", LIFE + 9999, Plan.FIRST),
        (None, LIFE - 180, Plan.SEND),
        (None, LIFE - 1, Plan.SEND),
        (None, LIFE, Plan.FIRST),
    ],
)
@pytest.mark.parametrize("offset", [0, 600, -600])
def test_a_request_is_about_to_go(refresh: str | None, after: int, expected: Plan, offset: int) -> None:
    held = hold(tokens(refresh=refresh, offset=offset), jitter=0)

    assert plan(held, clock=AT + after - offset) is expected


@pytest.mark.parametrize("after", [0, 10**9])
def test_what_says_no_end_is_sent(after: int) -> None:
    assert plan(hold(tokens(life=None), jitter=0), clock=AT + after) is Plan.SEND


@pytest.mark.parametrize(
    ("life", "jitter", "ahead"),
    [(900, 0, 180), (900, 0.5, 135), (900, 1, 90), (3600, 0, 300), (86_400, 1, 150), (10, 0, 2), (10, 1, 1)],
)
def test_what_is_due_is_due_before_it_is_spent_by_a_throw_of_the_dice(life: int, jitter: float, ahead: float) -> None:
    held = hold(tokens(life=life), jitter=jitter)

    assert held.due_at == AT + life - ahead
    assert held.due_at < held.spent_at < AT + life


@pytest.mark.parametrize("life", [0, -5])
def test_a_token_without_a_life_is_spent_at_once(life: int) -> None:
    assert plan(hold(tokens(life=life), jitter=0), clock=AT) is Plan.FIRST


@pytest.mark.parametrize(
    ("challenge", "body", "expected"),
    [
        ("", b'{"code": "token_expired"}', True),
        ("", b'{"code": "claims_stale"}', True),
        ("", b'{"code": "token_revoked"}', True),
        ('Bearer error="invalid_token"', b"", True),
        ("Bearer realm=x, error=invalid_token", b"<html>", True),
        ('Bearer error="invalid_token"', b'{"code": 7}', True),
        ('Bearer error="insufficient_scope"', b"", False),
        ('Bearer error="invalid_tokens"', b"", False),
        ("Bearer", b"", False),
        ('Bearer error="invalid_token"', b'{"code": "audience_mismatch"}', False),
        ('Bearer error="invalid_token"', b'{"code": "token_malformed"}', False),
        ("", b'{"code": "insufficient_user_authentication"}', False),
    ],
)
def test_a_401_to_the_token(challenge: str, body: bytes, *, expected: bool) -> None:
    assert renewable(challenge, body) is expected


def test_three_doubts_at_once_and_then_one_in_ten_seconds() -> None:
    until: float | None = -math.inf
    for _ in range(3):
        assert until is not None
        until = doubted(until, now=100)
    assert until == 130

    assert doubted(until, now=100) is None
    assert doubted(until, now=109.9) is None
    assert doubted(until, now=110) == 140
    assert doubted(until, now=1000) == 1010


def test_our_own_tokens_say_their_life() -> None:
    key = new_key("ES256", "k")
    token = jwt.encode(Claims(iss="i", sub="s", aud=("a",), iat=AT, exp=AT + LIFE), key)

    assert lifetime(token) == (AT, AT + LIFE)


@pytest.mark.parametrize(
    "token", ["", "opaque", "a.b.c", "a.!.c", f"a.{b64.encode(b'[]')}.c", f'a.{b64.encode(b"""{"exp": "1"}""")}.c']
)
def test_other_tokens_say_nothing(token: str) -> None:
    assert lifetime(token) == (None, None)


def test_tokens_do_not_show_in_what_is_printed() -> None:
    assert "secret" not in repr(hold(Tokens("secret-1", "secret-2"), jitter=0))
