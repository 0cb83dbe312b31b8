"""The shapes of bodies and answers: what requests are checked against and what OpenAPI shows."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

Instant = Annotated[int, Meta(description="seconds since 1970")]
Text = str | None

# --- bodies


class LoginBody(Struct):
    """One of `email` and `username`; `audience` and `scope` narrow the tokens (RFC 8707, RFC 6749 section 3.3)."""

    password: str
    email: Text = None
    username: Text = None
    audience: str | list[str] | None = None
    scope: Text = None


class RefreshBody(Struct):
    """The refresh token; in cookie mode it comes as a cookie."""

    refresh_token: Text = None
    camel: Text = field(default=None, name="refreshToken")


class RegisterBody(Struct):
    """A new user; roles are not taken from here."""

    password: str
    email: Text = None
    username: Text = None
    name: Text = None


class PasswordBody(Struct):
    """A user's own new password."""

    current_password: str
    new_password: str


class SetupBody(Struct):
    """The first administrator; `token` is the one of the set-up link."""

    token: str
    email: str
    password: str


class UserBody(Struct):
    """A new user, made by an administrator; without a password there is no password login."""

    email: Text = None
    username: Text = None
    name: Text = None
    password: Text = None
    roles: list[str] = []


class UserChange(Struct):
    """What is left out stays as it is."""

    disabled: bool | UnsetType = UNSET
    roles: list[str] | UnsetType = UNSET
    name: str | UnsetType | None = UNSET


class NewPasswordBody(Struct):
    """A user's new password, set by an administrator."""

    new_password: str


class RoleBody(Struct):
    """All permissions of a role."""

    permissions: list[str]


class RotateBody(Struct):
    """`at_once`: even before every guard can know the next key."""

    at_once: bool = False


# --- answers


class ErrorAnswer(Struct):
    """Every error: the RFC's word, a sentence for people, a stable code for programs."""

    error: str
    error_description: str
    code: str


class TokenAnswer(Struct, omit_defaults=True, kw_only=True):
    """RFC 6749 section 5.1; without tokens when they travel as cookies."""

    access_token: str | UnsetType = UNSET
    token_type: str | UnsetType = UNSET
    expires_in: int
    refresh_token: str | UnsetType = UNSET
    refresh_expires_in: int | UnsetType = UNSET
    scope: str | UnsetType = UNSET


class CamelTokenAnswer(Struct, omit_defaults=True):
    """The same by the names of the `camel` profile."""

    token: str | UnsetType = UNSET
    refresh_token: str | UnsetType = field(default=UNSET, name="refreshToken")


class UserAnswer(Struct):
    """A user, without secrets."""

    id: str
    email: Text
    username: Text
    name: Text
    roles: tuple[str, ...]
    created_at: Instant
    disabled_at: Instant | None


class MeAnswer(Struct):
    """Who the access token speaks for."""

    sub: str
    email: Text
    username: Text
    name: Text
    roles: tuple[str, ...]
    scope: str
    aud: tuple[str, ...]
    expires_at: Instant
    sid: str | UnsetType = UNSET


class SessionAnswer(Struct):
    """One login."""

    id: str
    client_id: str
    opened_at: Instant
    refreshed_at: Instant
    expires_at: Instant
    device: Text
    address: Text
    current: bool


class SessionsAnswer(Struct):
    """All open sessions."""

    sessions: list[SessionAnswer]


class UsersAnswer(Struct):
    """A page of users; `next` goes into `after` for the page behind it."""

    users: list[UserAnswer]
    next: Text


class RoleAnswer(Struct):
    """A role."""

    name: str
    permissions: tuple[str, ...]


class RolesAnswer(Struct):
    """All roles."""

    roles: list[RoleAnswer]


class KeyAnswer(Struct):
    """A signing key, without its private half."""

    kid: str
    alg: str
    state: str
    created_at: Instant
    signing_at: Instant | None
    retiring_at: Instant | None


class KeysAnswer(Struct):
    """The signing keys that are not gone."""

    keys: list[KeyAnswer]


class StatusAnswer(Struct):
    """Alive, or ready."""

    status: str


class KeySetAnswer(Struct):
    """RFC 7517 section 5."""

    keys: list[dict[str, str]]


class FeedAnswer(Struct):
    """Revocations behind a cursor: `[kind, digest, epoch | null, until]` each."""

    next: str
    more: bool
    reset: bool
    entries: list[tuple[str, str, int | None, int]]


class MetadataAnswer(Struct):
    """RFC 8414 section 2."""

    issuer: str
    jwks_uri: str
    response_types_supported: list[str]
