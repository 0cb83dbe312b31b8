"""Exactly one credential."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.errors import CredentialsAmbiguous, JotgateError, Malformed
from jotgate.wire.bearer import MAX_TOKEN_BYTES, Credentials, from_header, from_request, from_subprotocols

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"
LONGEST = "a" * MAX_TOKEN_BYTES


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (None, None),
        ("", None),
        ("Basic dXNlcjpwYXNz", None),
        ("Bearerx abc", None),
        ("BearerToken", None),
        ("DPoP " + TOKEN, None),
        (TOKEN, None),
        (f"Bearer {TOKEN}", TOKEN),
        (f"bearer {TOKEN}", TOKEN),
        (f"BEARER {TOKEN}", TOKEN),
        (f"bEaReR {TOKEN}", TOKEN),
        (f"Bearer   {TOKEN}", TOKEN),
        (f"Bearer {TOKEN} ", TOKEN),
        (f"Bearer {TOKEN}".encode(), TOKEN),
        (b"Basic \xff", None),
        ("Bearer jgr_opaque-token~+/=", "jgr_opaque-token~+/="),
        (f"Bearer {LONGEST}", LONGEST),
    ],
)
def test_the_token_of_one_header(value: str | bytes | None, token: str | None) -> None:
    assert from_header(value) == token


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "bearer ",
        "Bearer    ",
        "Bearer\t",
        "Bearer a b",
        f"Bearer Bearer {TOKEN}",
        "Bearer a\tb",
        f"Bearer \t{TOKEN}",
        "Bearer t\u00e4st",
        b"Bearer t\xc3\xa4st",
        b"Bearer \xff",
        f"Bearer {LONGEST}a",
        "Bearer " + " " * MAX_TOKEN_BYTES + "a",
        "Basic " + "a" * 9000,
    ],
)
def test_what_is_malformed(value: str | bytes) -> None:
    with pytest.raises(Malformed):
        from_header(value)


@pytest.mark.parametrize("value", [f"Bearer {TOKEN}, Bearer {TOKEN}", "Bearer a,b", f"Bearer {TOKEN}, Basic x"])
def test_two_credentials_that_a_proxy_joined_are_ambiguous(value: str) -> None:
    with pytest.raises(CredentialsAmbiguous):
        from_header(value)


@pytest.mark.parametrize(
    ("authorization", "cookie", "credentials"),
    [
        ([], None, None),
        ([], "", None),
        (["Basic dXNlcjpwYXNz"], None, None),
        ([f"Bearer {TOKEN}"], None, Credentials(TOKEN, "header")),
        ([f"Bearer {TOKEN}"], "", Credentials(TOKEN, "header")),
        ([], TOKEN, Credentials(TOKEN, "cookie")),
        (["Basic dXNlcjpwYXNz"], TOKEN, Credentials(TOKEN, "cookie")),
        ([f"Bearer {TOKEN}"], TOKEN, Credentials(TOKEN, "header")),
        ([f"bearer {TOKEN}".encode()], TOKEN, Credentials(TOKEN, "header")),
    ],
)
def test_the_credentials_of_a_request(
    authorization: list[str | bytes], cookie: str | None, credentials: Credentials | None
) -> None:
    assert from_request(authorization, cookie) == credentials


@pytest.mark.parametrize(
    ("authorization", "cookie"),
    [
        ([f"Bearer {TOKEN}", f"Bearer {TOKEN}"], None),
        ([f"Bearer {TOKEN}", "Basic x"], None),
        (["Basic x", "Basic y"], TOKEN),
        ([f"Bearer {TOKEN}"], TOKEN + "x"),
    ],
)
def test_two_credentials_are_ambiguous(authorization: list[str], cookie: str | None) -> None:
    with pytest.raises(CredentialsAmbiguous):
        from_request(authorization, cookie)


@pytest.mark.parametrize("cookie", ["a b", "t\u00e4st", LONGEST + "a"])
def test_a_cookie_is_held_to_the_same_form(cookie: str) -> None:
    with pytest.raises(Malformed):
        from_request([], cookie)


@pytest.mark.parametrize(
    ("offered", "token"),
    [
        ([], None),
        (["chat", "v2.chat"], None),
        (["chat", f"bearer.{TOKEN}"], TOKEN),
        ([f"bearer.{TOKEN}"], TOKEN),
        ([f"Bearer.{TOKEN}"], None),
        (["bearer"], None),
    ],
)
def test_the_token_among_subprotocols(offered: list[str], token: str | None) -> None:
    assert from_subprotocols(offered) == token


def test_two_tokens_among_subprotocols_are_ambiguous() -> None:
    with pytest.raises(CredentialsAmbiguous):
        from_subprotocols([f"bearer.{TOKEN}", f"bearer.{TOKEN}"])


def test_a_subprotocol_without_token_is_malformed() -> None:
    with pytest.raises(Malformed):
        from_subprotocols(["bearer."])


def test_the_token_does_not_show() -> None:
    assert TOKEN not in repr(Credentials(TOKEN, "header"))


@settings(derandomize=True, deadline=None, max_examples=500)
@given(
    st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=40), st.just(f"Bearer {TOKEN}")), max_size=3), st.text()
)
def test_any_request_has_one_credential_none_or_an_error_of_ours(headers: list[str | bytes], cookie: str) -> None:
    try:
        found = from_request(headers, cookie)
    except JotgateError:
        return

    assert found is None or (found.token and found.token.isascii() and " " not in found.token)
