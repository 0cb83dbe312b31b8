"""Errors as HTTP answers, row by row of the contract."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate import errors
from jotgate.errors import JotgateError
from jotgate.wire.challenge import answer, challenge_of

START = 'Bearer realm="api"'


def invalid_token(description: str) -> str:
    return f'{START}, error="invalid_token", error_description="{description}"'


TABLE = [
    (errors.TokenMissing(), 401, "unauthorized", "token_missing", START),
    (errors.Expired(), 401, "invalid_token", "token_expired", invalid_token("The access token expired")),
    (errors.Malformed(), 401, "invalid_token", "token_malformed", invalid_token("The access token is malformed")),
    (
        errors.SignatureInvalid(),
        401,
        "invalid_token",
        "signature_invalid",
        invalid_token("The signature of the access token is not valid"),
    ),
    (
        errors.UnknownKey(),
        401,
        "invalid_token",
        "signature_invalid",
        invalid_token("The signature of the access token is not valid"),
    ),
    (
        errors.IssuerMismatch(),
        401,
        "invalid_token",
        "issuer_mismatch",
        invalid_token("The access token comes from another issuer"),
    ),
    (
        errors.AudienceMismatch(),
        401,
        "invalid_token",
        "audience_mismatch",
        invalid_token("The access token is meant for another audience"),
    ),
    (
        errors.TypeMismatch(),
        401,
        "invalid_token",
        "type_mismatch",
        invalid_token("The token is not an access token"),
    ),
    (errors.Revoked(), 401, "invalid_token", "token_revoked", invalid_token("The access token was revoked")),
    (
        errors.ClaimsStale(),
        401,
        "invalid_token",
        "claims_stale",
        invalid_token("The access token was issued before the user's permissions changed"),
    ),
    (
        errors.CredentialsAmbiguous(),
        400,
        "invalid_request",
        "credentials_ambiguous",
        f'{START}, error="invalid_request"',
    ),
    (errors.RoleMissing(), 403, "insufficient_scope", "role_missing", f'{START}, error="insufficient_scope"'),
    (
        errors.ScopeMissing(scope="payments:read members:*"),
        403,
        "insufficient_scope",
        "scope_missing",
        f'{START}, error="insufficient_scope", scope="payments:read members:*"',
    ),
    (
        errors.StepUpRequired(max_age=300),
        401,
        "insufficient_user_authentication",
        "step_up_required",
        (
            f'{START}, error="insufficient_user_authentication", '
            'error_description="This needs a more recent login", max_age="300"'
        ),
    ),
    (errors.LoginError(), 401, "invalid_credentials", "invalid_credentials", START),
    (errors.GrantError(), 401, "invalid_grant", "refresh_invalid", START),
    (errors.Replayed(), 401, "invalid_grant", "refresh_replayed", START),
    (errors.CrossSite(), 403, "forbidden", "cross_site", None),
    (errors.Refused(), 403, "forbidden", "refused", None),
    (errors.NotFound(), 404, "not_found", "not_found", None),
    (errors.IdentifierTaken(), 409, "conflict", "identifier_taken", None),
    (errors.Throttled(7), 429, "slow_down", "throttled", None),
    (errors.Unavailable(), 503, "temporarily_unavailable", "unavailable", None),
    (errors.Busy(), 503, "temporarily_unavailable", "busy", None),
    (errors.KeyRefused(), 500, "server_error", "key_refused", None),
]


@pytest.mark.parametrize(
    ("error", "status", "word", "code", "challenge"), TABLE, ids=lambda value: type(value).__name__
)
def test_the_table(error: JotgateError, status: int, word: str, code: str, challenge: str | None) -> None:
    found = answer(error, realm="api")

    headers, body = dict(found.headers), json.loads(found.body)
    assert found.status == status
    assert (body["error"], body["code"]) == (word, code)
    assert body["error_description"] == error.description
    assert headers.get("WWW-Authenticate") == challenge
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "application/json"


def test_the_body_has_three_members_and_no_more() -> None:
    assert list(json.loads(answer(errors.Expired(), realm="api").body)) == ["error", "error_description", "code"]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(errors.Throttled(7), "7"), (errors.Throttled(0), "1"), (errors.Busy(retry_after=2), "2")],
)
def test_who_may_come_back_is_told_when(error: JotgateError, seconds: str) -> None:
    assert dict(answer(error, realm="api").headers)["Retry-After"] == seconds


def test_only_who_may_come_back_is_told_when() -> None:
    assert "Retry-After" not in dict(answer(errors.Expired(), realm="api").headers)


def test_a_wrong_field_is_named_and_explained() -> None:
    body = json.loads(answer(errors.PasswordRefused("it is too short", field="password"), realm="api").body)

    assert body == {
        "error": "invalid_request",
        "error_description": "it is too short",
        "code": "password_refused",
        "field": "password",
    }


def test_a_wrong_field_without_explanation_has_the_general_one() -> None:
    body = json.loads(answer(errors.Invalid(field="email"), realm="api").body)

    assert body["error_description"] == "A field is not valid"


def tree(root: type[JotgateError]) -> Iterator[type[JotgateError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def made(kind: type[JotgateError]) -> JotgateError:
    secret = "eyJhbGciOiJFUzI1NiJ9.secret"
    if issubclass(kind, errors.Throttled):
        return kind(3, secret)
    if issubclass(kind, errors.StepUpRequired):
        return kind(secret, max_age=300)
    if issubclass(kind, errors.SettingsError):
        return kind((secret,))
    return kind(secret)


@pytest.mark.parametrize("kind", [kind for kind in tree(JotgateError) if not issubclass(kind, errors.Invalid)])
def test_no_other_detail_leaves_the_log(kind: type[JotgateError]) -> None:
    found = answer(made(kind), realm="api")

    assert b"secret" not in found.body
    assert "secret" not in str(found.headers)


@pytest.mark.parametrize("kind", [kind for kind in tree(JotgateError) if kind.status == 401])
def test_every_401_has_a_challenge(kind: type[JotgateError]) -> None:
    assert (challenge_of(made(kind), realm="api") or "").startswith(START)


@pytest.mark.parametrize("kind", [*tree(JotgateError)])
def test_descriptions_can_stand_in_quotes(kind: type[JotgateError]) -> None:
    assert kind.description.isascii()
    assert kind.description.isprintable()
    assert not {'"', "\\"} & set(kind.description)


@pytest.mark.parametrize(
    ("realm", "challenge"),
    [
        ("api", 'Bearer realm="api"'),
        ("", 'Bearer realm=""'),
        ('my "api"', 'Bearer realm="my \\"api\\""'),
        ("back\\slash", 'Bearer realm="back\\\\slash"'),
        ("a\r\nSet-Cookie: x=y", 'Bearer realm="a??Set-Cookie: x=y"'),
        ("caf\u00e9\0", 'Bearer realm="caf??"'),
    ],
)
def test_no_realm_breaks_out(realm: str, challenge: str) -> None:
    assert challenge_of(errors.TokenMissing(), realm=realm) == challenge


@pytest.mark.parametrize(
    ("scope", "end"),
    [
        ("", 'error="insufficient_scope"'),
        ("  ", 'error="insufficient_scope"'),
        ("a  b", 'error="insufficient_scope", scope="a b"'),
        ('a" b\\', 'error="insufficient_scope", scope="a b"'),
        ("a\r\nX: y", 'error="insufficient_scope", scope="aX: y"'),
        ("\u00e4", 'error="insufficient_scope"'),
    ],
)
def test_no_scope_breaks_out(scope: str, end: str) -> None:
    assert challenge_of(errors.ScopeMissing(scope=scope), realm="api") == f"{START}, {end}"


@settings(derandomize=True, deadline=None)
@given(st.text(), st.text())
def test_a_challenge_is_always_one_line_of_ascii(realm: str, scope: str) -> None:
    challenge = challenge_of(errors.ScopeMissing(scope=scope), realm=realm)

    assert challenge is not None
    assert challenge.isascii()
    assert challenge.isprintable()
