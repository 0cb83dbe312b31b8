"""What jotgate knows: users, roles, sessions, keys, feed entries. Frozen values; secrets do not show."""

from dataclasses import dataclass, field

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in. E-mail address and user name are kept normalised; at least one is there."""

    id: str
    email: str | None
    username: str | None
    name: str | None
    password_hash: str | None = field(repr=False)  # PHC string; None: no password login
    roles: tuple[str, ...]  # sorted
    epoch: int  # tokens below it carry stale claims
    created_at: int
    disabled_at: int | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A name for a set of permissions (scopes)."""

    name: str
    permissions: tuple[str, ...]  # sorted


@dataclass(frozen=True, slots=True)
class Session:
    """One login and everything that was refreshed from it: one row, however often it rotates."""

    id: str  # UUIDv7, 32 hexadecimal digits
    user_id: str
    client_id: str
    audience: tuple[str, ...]
    scope: str | None  # asked for at login: narrows what the roles give; None: all of it
    generation: int  # of the newest refresh token
    parent: int  # the generation that the newest one was minted from
    seed_hash: bytes = field(repr=False)  # SHA-256 of the seed
    opened_at: int
    rotated_at: int
    expires_at: int  # absolute end
    idle_seconds: int  # over when rotated_at + idle_seconds has come
    amr: str = "pwd"
    device: str | None = None  # user agent at login
    address: str | None = None  # network address at login
    closed_at: int | None = None
    closed_by: str | None = None  # logout, replay, password, disabled, removed, admin


class Grant(Struct, frozen=True, kw_only=True):
    """What a new access token may say: facts of a session and its user, read together."""

    session_id: str | None  # None where sessions are off
    user_id: str
    client_id: str
    audience: tuple[str, ...]
    scope: str | None  # narrows `permissions`
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    epoch: int
    auth_time: int
    amr: str
    expires_at: int  # absolute end of the session: no token outlives it
    idle_seconds: int
    email: str | None = None
    username: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key at rest: its private half is sealed under the master secret."""

    kid: str
    alg: str
    public: str  # JWK as JSON, without private members; for HS256 only {"kty":"oct"}
    sealed: bytes = field(repr=False)
    created_at: int
    published_at: int  # from when guards could have fetched it
    signing_at: int | None = None  # from when it signs
    retiring_at: int | None = None  # from when it signs no more
    gone_at: int | None = None  # from when it is published no more
    longest_ttl: int = 0  # longest access-token life it has signed, seconds
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class StoredMacKey:
    """A key for the MAC of refresh tokens, sealed."""

    id: int  # 0 to 2^32 - 1, in the token
    sealed: bytes = field(repr=False)
    created_at: int
    retired_at: int | None = None


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login or refresh gives; ends in seconds from now."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_in: int | None = None
    csrf: str | None = field(default=None, repr=False)
    decision: str = field(default="rotate", compare=False)  # how a refresh came to it, for the figures


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, as far as we believe it."""

    address: str = ""
    device: str = ""
