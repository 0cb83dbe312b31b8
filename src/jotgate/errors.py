"""Every error that jotgate raises, in one tree.

JotgateError                      code, status, error (the RFC's word), detail (for the log, never on the wire)
├── TokenError                    401 invalid_token        what a verifier says of an access token
│   ├── TokenMissing              401 unauthorized         no credentials at all
│   ├── Malformed
│   ├── SignatureInvalid
│   │   └── UnknownKey
│   ├── TypeMismatch  IssuerMismatch  AudienceMismatch  SubjectMismatch
│   ├── Expired  NotYetValid  LifetimeExcessive
│   └── Revoked  ClaimsStale
├── CredentialsAmbiguous          400 invalid_request      two credentials in one request
├── Forbidden                     403 insufficient_scope
│   └── RoleMissing  ScopeMissing
├── StepUpRequired                401 insufficient_user_authentication         the login is too long ago
├── CrossSite                     403 forbidden            another site's page wants to change state
├── LoginError                    401 invalid_credentials
├── GrantError                    401 invalid_grant
│   └── Replayed
├── Throttled                     429                      with retry_after
├── Unavailable                   503                      with retry_after
│   └── Busy  NewsStale  KeysUnavailable                   hashing queue full; a guard without news, without keys
├── Invalid                       422                      a field is wrong; it is named
│   └── PasswordRefused
├── IdentifierTaken               409
├── NotFound                      404
├── BadRequest                    400 invalid_request      the request cannot be read
│   ├── JsonMalformed
│   └── MethodNotAllowed  BodyLate  BodyTooLarge  ContentTypeRefused       405, 408, 413, 415
├── Refused                       403                      the operation is switched off here
├── KeyRefused                    a key or key set that must not be used
├── TokenFileRefused              a client's token file that must not be used
├── Misuse                        the calling code asks for what can never be right; a ValueError too
└── StartError                    the process cannot start
    └── SettingsError  DatabaseUnusable  SecretMismatch
"""

from typing import Any, ClassVar


class JotgateError(Exception):
    """The root: catch this and nothing of jotgate's escapes. What a leaf does not say it has from its parent."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    error: ClassVar[str] = "server_error"
    description: ClassVar[str] = "Something went wrong"

    def __init_subclass__(
        cls, *, code: str = "", status: int = 0, error: str = "", description: str = "", **more: Any
    ) -> None:
        super().__init_subclass__(**more)
        cls.code = code or cls.code
        cls.status = status or cls.status
        cls.error = error or cls.error
        cls.description = description or cls.description

    def __init__(self, detail: str = "") -> None:
        """`detail` is for the log: it says what was wrong without quoting a token or a secret."""
        super().__init__(detail or self.description)
        self.detail = detail


# --- access tokens


class TokenError(
    JotgateError, code="token_malformed", status=401, error="invalid_token", description="The access token is not valid"
):
    """The access token was refused (RFC 6750 section 3.1)."""


class TokenMissing(TokenError, code="token_missing", error="unauthorized", description="No access token was sent"):
    """No credentials: the challenge carries no error attribute (RFC 6750 section 3)."""


class Malformed(TokenError, description="The access token is malformed"):
    """Not a well-formed access token, or a claim is missing or has the wrong type."""


class SignatureInvalid(
    TokenError, code="signature_invalid", description="The signature of the access token is not valid"
):
    """The signature does not verify, or the algorithm is not the key's own."""


class UnknownKey(SignatureInvalid):
    """The key set holds no key of this `kid`."""


class TypeMismatch(TokenError, code="type_mismatch", description="The token is not an access token"):
    """`typ` names another kind of token (RFC 8725 section 3.11)."""


class IssuerMismatch(TokenError, code="issuer_mismatch", description="The access token comes from another issuer"):
    """`iss` is not the issuer that was expected."""


class AudienceMismatch(
    TokenError, code="audience_mismatch", description="The access token is meant for another audience"
):
    """`aud` does not name us."""


class SubjectMismatch(TokenError, code="subject_mismatch", description="The access token belongs to another subject"):
    """A connection cannot be renewed with somebody else's token."""


class Expired(TokenError, code="token_expired", description="The access token expired"):
    """`exp` has come (RFC 7519 section 4.1.4)."""


class NotYetValid(TokenError, code="token_not_yet_valid", description="The access token is not valid yet"):
    """`nbf` or `iat` lies in the future (RFC 7519 section 4.1.5)."""


class LifetimeExcessive(
    TokenError, code="lifetime_excessive", description="The access token lives longer than is allowed here"
):
    """`exp - iat` is over the ceiling."""


class Revoked(TokenError, code="token_revoked", description="The access token was revoked"):
    """The session, the token or its key was revoked."""


class ClaimsStale(
    TokenError, code="claims_stale", description="The access token was issued before the user's permissions changed"
):
    """The user's roles or state changed after the token was issued: refresh it."""


# --- requests at a guard


class CredentialsAmbiguous(
    JotgateError,
    code="credentials_ambiguous",
    status=400,
    error="invalid_request",
    description="The request carries more than one credential",
):
    """More than one credential in one request (RFC 6750 section 2)."""


class Forbidden(
    JotgateError,
    code="scope_missing",
    status=403,
    error="insufficient_scope",
    description="This needs more permission than the access token carries",
):
    """The caller is known and not allowed (RFC 6750 section 3.1); `scope` is what would be needed."""

    def __init__(self, detail: str = "", *, scope: str = "") -> None:
        """`scope`: space-separated scopes for the challenge, or nothing."""
        super().__init__(detail)
        self.scope = scope


class ScopeMissing(Forbidden):
    """A scope is missing."""


class RoleMissing(Forbidden, code="role_missing", description="This needs a role that the access token does not carry"):
    """A role is missing."""


class StepUpRequired(
    JotgateError,
    code="step_up_required",
    status=401,
    error="insufficient_user_authentication",
    description="This needs a more recent login",
):
    """The token is good and the login behind it too old (RFC 9470 section 3): refreshing it does not help."""

    def __init__(self, detail: str = "", *, max_age: int) -> None:
        """`max_age`: seconds since the login that are allowed here."""
        super().__init__(detail)
        self.max_age = max_age


class CrossSite(
    JotgateError, code="cross_site", status=403, error="forbidden", description="This request came from another site"
):
    """A request that changes state came from another site's page."""


# --- requests at the issuer


class LoginError(
    JotgateError,
    code="invalid_credentials",
    status=401,
    error="invalid_credentials",
    description="The user name or password is not right",
):
    """Unknown user, wrong password or disabled user: which one is for the log alone."""


class GrantError(
    JotgateError,
    code="refresh_invalid",
    status=401,
    error="invalid_grant",
    description="The refresh token is not valid",
):
    """The refresh token gives nothing (RFC 6749 section 5.2)."""


class Replayed(
    GrantError, code="refresh_replayed", description="The refresh token was used before; the session is closed"
):
    """An older refresh token came back: its session is closed (RFC 9700 section 4.14)."""


class Throttled(
    JotgateError,
    code="throttled",
    status=429,
    error="slow_down",
    description="Too many failed tries; wait before the next one",
):
    """Too many failed tries; `retry_after` in seconds, at least 1."""

    def __init__(self, retry_after: int, detail: str = "") -> None:
        """`retry_after` in seconds."""
        super().__init__(detail)
        self.retry_after = max(1, retry_after)


class Unavailable(
    JotgateError,
    code="unavailable",
    status=503,
    error="temporarily_unavailable",
    description="The service cannot do this right now; try again",
):
    """Something that is needed is away for the moment; `retry_after` in seconds."""

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        """`retry_after` in seconds."""
        super().__init__(detail)
        self.retry_after = max(1, retry_after)


class Busy(Unavailable, code="busy", description="Too many logins at once; try again"):
    """The queue for password hashing is full."""


class NewsStale(Unavailable, code="news_stale", description="Revocations cannot be checked right now; try again"):
    """The guard's news of revocations is older than it may be (`on_stale="deny"`)."""


class KeysUnavailable(
    Unavailable, code="keys_unavailable", description="The issuer's keys cannot be fetched right now; try again"
):
    """The guard has never been able to get the issuer's keys."""


class Invalid(
    JotgateError, code="invalid_field", status=422, error="invalid_request", description="A field is not valid"
):
    """A field of the request is wrong; `field` names it."""

    def __init__(self, detail: str = "", *, field: str = "") -> None:
        """`detail` is shown to the caller here: it must not quote a secret."""
        super().__init__(detail)
        self.field = field


class PasswordRefused(Invalid, code="password_refused"):
    """The new password is not acceptable; the detail says why (SP 800-63B)."""


class IdentifierTaken(
    JotgateError,
    code="identifier_taken",
    status=409,
    error="conflict",
    description="This e-mail address or user name is taken",
):
    """The e-mail address or user name belongs to somebody."""


class NotFound(
    JotgateError, code="not_found", status=404, error="not_found", description="There is no such thing here"
):
    """There is no such thing, or it is not yours."""


class Refused(JotgateError, code="refused", status=403, error="forbidden", description="This is switched off here"):
    """The operation is switched off here."""


class BadRequest(
    JotgateError,
    code="request_malformed",
    status=400,
    error="invalid_request",
    description="The request cannot be read",
):
    """The request cannot be read: a header twice, a path that is no text."""


class JsonMalformed(
    BadRequest,
    code="json_malformed",
    description="The body is not a JSON object in strict UTF-8 without repeated names",
):
    """The body is not one strict JSON object (RFC 7493)."""


class MethodNotAllowed(
    BadRequest, code="method_not_allowed", status=405, description="This path does not have this method"
):
    """The path has other methods; `Allow` names them (RFC 9110 section 15.5.6)."""


class BodyLate(BadRequest, code="body_late", status=408, description="The body of the request did not arrive in time"):
    """The body did not arrive in time."""


class BodyTooLarge(BadRequest, code="body_too_large", status=413, description="The body of the request is too large"):
    """The body is larger than is read here."""


class ContentTypeRefused(
    BadRequest, code="content_type", status=415, description="The body of the request has the wrong content type"
):
    """The body is of a kind that is not read here."""


# --- keys and start


class KeyRefused(JotgateError, code="key_refused"):
    """A key or key set that must not be used: weak, duplicate, private, mixed or malformed."""


class TokenFileRefused(JotgateError, code="token_file_refused"):
    """A client's token file that must not be used: open to others, somebody else's, or none of ours."""


class Misuse(JotgateError, ValueError, code="misuse"):
    """The calling code asks for what can never be right: a leeway of an hour, a token without a subject."""


class StartError(JotgateError, code="start_failed"):
    """The process cannot start; the detail says why and what to do."""


class SettingsError(StartError):
    """Settings are wrong; `complaints` has every one of them."""

    def __init__(self, complaints: tuple[str, ...]) -> None:
        """One sentence a complaint, each naming its setting."""
        super().__init__("\n".join(complaints))
        self.complaints = complaints


class DatabaseUnusable(StartError):
    """The database cannot be read or written, or a newer jotgate made it."""


class SecretMismatch(StartError):
    """The master secret does not open the keys in this database."""
