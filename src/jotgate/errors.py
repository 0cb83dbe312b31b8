"""Every error that jotgate raises, in one tree.

JotgateError                      code, status, error (the RFC's word), detail (for the log, never on the wire)
├── TokenError                    401 invalid_token        what a verifier says of an access token
│   ├── TokenMissing              401 unauthorized         no credentials at all
│   ├── Malformed
│   ├── SignatureInvalid
│   │   └── UnknownKey
│   ├── TypeMismatch  IssuerMismatch  AudienceMismatch
│   ├── Expired  NotYetValid  LifetimeExcessive
│   └── Revoked  ClaimsStale
├── CredentialsAmbiguous          400 invalid_request      two credentials in one request
├── Forbidden                     403 insufficient_scope
│   └── RoleMissing  ScopeMissing
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
├── Misuse                        the calling code asks for what can never be right; a ValueError too
└── StartError                    the process cannot start
    └── SettingsError  DatabaseUnusable  SecretMismatch
"""

from typing import ClassVar


class JotgateError(Exception):
    """The root: catch this and nothing of jotgate's escapes."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    error: ClassVar[str] = "server_error"
    description: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "") -> None:
        """`detail` is for the log: it says what was wrong without quoting a token or a secret."""
        super().__init__(detail or self.description)
        self.detail = detail


# --- access tokens


class TokenError(JotgateError):
    """The access token was refused (RFC 6750 section 3.1)."""

    code = "token_malformed"
    status = 401
    error = "invalid_token"
    description = "The access token is not valid"


class TokenMissing(TokenError):
    """No credentials: the challenge carries no error attribute (RFC 6750 section 3)."""

    code = "token_missing"
    error = "unauthorized"
    description = "No access token was sent"


class Malformed(TokenError):
    """Not a well-formed access token, or a claim is missing or has the wrong type."""

    description = "The access token is malformed"


class SignatureInvalid(TokenError):
    """The signature does not verify, or the algorithm is not the key's own."""

    code = "signature_invalid"
    description = "The signature of the access token is not valid"


class UnknownKey(SignatureInvalid):
    """The key set holds no key of this `kid`."""


class TypeMismatch(TokenError):
    """`typ` names another kind of token (RFC 8725 section 3.11)."""

    code = "type_mismatch"
    description = "The token is not an access token"


class IssuerMismatch(TokenError):
    """`iss` is not the issuer that was expected."""

    code = "issuer_mismatch"
    description = "The access token comes from another issuer"


class AudienceMismatch(TokenError):
    """`aud` does not name us."""

    code = "audience_mismatch"
    description = "The access token is meant for another audience"


class Expired(TokenError):
    """`exp` has come (RFC 7519 section 4.1.4)."""

    code = "token_expired"
    description = "The access token expired"


class NotYetValid(TokenError):
    """`nbf` or `iat` lies in the future (RFC 7519 section 4.1.5)."""

    code = "token_not_yet_valid"
    description = "The access token is not valid yet"


class LifetimeExcessive(TokenError):
    """`exp - iat` is over the ceiling."""

    code = "lifetime_excessive"
    description = "The access token lives longer than is allowed here"


class Revoked(TokenError):
    """The session, the token or its key was revoked."""

    code = "token_revoked"
    description = "The access token was revoked"


class ClaimsStale(TokenError):
    """The user's roles or state changed after the token was issued: refresh it."""

    code = "claims_stale"
    description = "The access token was issued before the user's permissions changed"


# --- requests at a guard


class CredentialsAmbiguous(JotgateError):
    """More than one credential in one request (RFC 6750 section 2)."""

    code = "credentials_ambiguous"
    status = 400
    error = "invalid_request"
    description = "The request carries more than one credential"


class Forbidden(JotgateError):
    """The caller is known and not allowed (RFC 6750 section 3.1); `scope` is what would be needed."""

    code = "scope_missing"
    status = 403
    error = "insufficient_scope"
    description = "This needs more permission than the access token carries"

    def __init__(self, detail: str = "", *, scope: str = "") -> None:
        """`scope`: space-separated scopes for the challenge, or nothing."""
        super().__init__(detail)
        self.scope = scope


class ScopeMissing(Forbidden):
    """A scope is missing."""


class RoleMissing(Forbidden):
    """A role is missing."""

    code = "role_missing"
    description = "This needs a role that the access token does not carry"


class CrossSite(JotgateError):
    """A request that changes state came from another site's page."""

    code = "cross_site"
    status = 403
    error = "forbidden"
    description = "This request came from another site"


# --- requests at the issuer


class LoginError(JotgateError):
    """Unknown user, wrong password or disabled user: which one is for the log alone."""

    code = "invalid_credentials"
    status = 401
    error = "invalid_credentials"
    description = "The user name or password is not right"


class GrantError(JotgateError):
    """The refresh token gives nothing (RFC 6749 section 5.2)."""

    code = "refresh_invalid"
    status = 401
    error = "invalid_grant"
    description = "The refresh token is not valid"


class Replayed(GrantError):
    """An older refresh token came back: its session is closed (RFC 9700 section 4.14)."""

    code = "refresh_replayed"
    description = "The refresh token was used before; the session is closed"


class Throttled(JotgateError):
    """Too many failed tries; `retry_after` in seconds, at least 1."""

    code = "throttled"
    status = 429
    error = "slow_down"
    description = "Too many failed tries; wait before the next one"

    def __init__(self, retry_after: int, detail: str = "") -> None:
        """`retry_after` in seconds."""
        super().__init__(detail)
        self.retry_after = max(1, retry_after)


class Unavailable(JotgateError):
    """Something that is needed is away for the moment; `retry_after` in seconds."""

    code = "unavailable"
    status = 503
    error = "temporarily_unavailable"
    description = "The service cannot do this right now; try again"

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        """`retry_after` in seconds."""
        super().__init__(detail)
        self.retry_after = max(1, retry_after)


class Busy(Unavailable):
    """The queue for password hashing is full."""

    code = "busy"
    description = "Too many logins at once; try again"


class NewsStale(Unavailable):
    """The guard's news of revocations is older than it may be (`on_stale="deny"`)."""

    code = "news_stale"
    description = "Revocations cannot be checked right now; try again"


class KeysUnavailable(Unavailable):
    """The guard has never been able to get the issuer's keys."""

    code = "keys_unavailable"
    description = "The issuer's keys cannot be fetched right now; try again"


class Invalid(JotgateError):
    """A field of the request is wrong; `field` names it."""

    code = "invalid_field"
    status = 422
    error = "invalid_request"
    description = "A field is not valid"

    def __init__(self, detail: str = "", *, field: str = "") -> None:
        """`detail` is shown to the caller here: it must not quote a secret."""
        super().__init__(detail)
        self.field = field


class PasswordRefused(Invalid):
    """The new password is not acceptable; the detail says why (SP 800-63B)."""

    code = "password_refused"


class IdentifierTaken(JotgateError):
    """The e-mail address or user name belongs to somebody."""

    code = "identifier_taken"
    status = 409
    error = "conflict"
    description = "This e-mail address or user name is taken"


class NotFound(JotgateError):
    """There is no such thing, or it is not yours."""

    code = "not_found"
    status = 404
    error = "not_found"
    description = "There is no such thing here"


class Refused(JotgateError):
    """The operation is switched off here."""

    code = "refused"
    status = 403
    error = "forbidden"
    description = "This is switched off here"


class BadRequest(JotgateError):
    """The request cannot be read: a header twice, a path that is no text."""

    code = "request_malformed"
    status = 400
    error = "invalid_request"
    description = "The request cannot be read"


class JsonMalformed(BadRequest):
    """The body is not one strict JSON object (RFC 7493)."""

    code = "json_malformed"
    description = "The body is not a JSON object in strict UTF-8 without repeated names"


class MethodNotAllowed(BadRequest):
    """The path has other methods; `Allow` names them (RFC 9110 section 15.5.6)."""

    code = "method_not_allowed"
    status = 405
    description = "This path does not have this method"


class BodyLate(BadRequest):
    """The body did not arrive in time."""

    code = "body_late"
    status = 408
    description = "The body of the request did not arrive in time"


class BodyTooLarge(BadRequest):
    """The body is larger than is read here."""

    code = "body_too_large"
    status = 413
    description = "The body of the request is too large"


class ContentTypeRefused(BadRequest):
    """The body is of a kind that is not read here."""

    code = "content_type"
    status = 415
    description = "The body of the request has the wrong content type"


# --- keys and start


class KeyRefused(JotgateError):
    """A key or key set that must not be used: weak, duplicate, private, mixed or malformed."""

    code = "key_refused"


class Misuse(JotgateError, ValueError):
    """The calling code asks for what can never be right: a leeway of an hour, a token without a subject."""

    code = "misuse"


class StartError(JotgateError):
    """The process cannot start; the detail says why and what to do."""

    code = "start_failed"


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
