"""The key ring: next -> signing -> retiring -> gone, and how private keys are sealed at rest.

    state       published    signs    ends when
    -----       ---------    -----    ---------
    next        yes          no       it has been published for the lead (1 h), and the signing key is over its interval
    signing     yes          yes      the next one takes over
    retiring    yes          no       the last token that it signed has expired everywhere
    gone        no           no       -

One `next` is always published. The lead has two exceptions: the first key of an installation, before which nobody can
have cached anything; and the key after a revoked one, because waiting would leave nobody able to log in: guards fetch
at once, told by the feed or by the unknown `kid`.

HMAC secrets come from the operator: they take over at once, and there is no next. Key pairs and secrets are never
mixed: whoever holds an old secret could sign for the new key set. So a change between them forgets the old keys at
once, and ends their access tokens.

Secrets at rest are sealed by AES-256-GCM under a key derived from the master secret by HKDF-SHA256 (RFC 5869); kind and
name are authenticated with them, so that rows cannot be exchanged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jotgate.core.model import StoredKey
from jotgate.core.policy import LEEWAY, SKEW, Policy, is_symmetric
from jotgate.core.refresh_token import MacKey
from jotgate.errors import SecretMismatch
from jotgate.jose.jwk import Key
from jotgate.jose.jwks import KeySet

NONCE_BYTES = 12
_SEAL_VERSION = b"\x01"
_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of a process at work."""

    signing: Key
    public: KeySet  # next, signing and retiring
    macs: Mapping[int, MacKey] = field(repr=False)
    mac_current: int
    version: int  # of the stored keys that this was made from

    @property
    def mac(self) -> MacKey:
        """The key that new refresh tokens are sealed with."""
        return self.macs[self.mac_current]


# --- states


@dataclass(frozen=True, slots=True)
class Publish:
    """Make a new key of this algorithm; it signs at once only where there is none that could."""

    alg: str
    sign: bool = False


@dataclass(frozen=True, slots=True)
class Promote:
    """This key signs from now on."""

    kid: str


@dataclass(frozen=True, slots=True)
class Retire:
    """This key signs no more, and stays published."""

    kid: str


@dataclass(frozen=True, slots=True)
class Forget:
    """This key is published no more; what was sealed can be deleted."""

    kid: str


Change: TypeAlias = Publish | Promote | Retire | Forget


def published(keys: Sequence[StoredKey]) -> tuple[StoredKey, ...]:
    """Next, signing and retiring."""
    return tuple(key for key in keys if key.gone_at is None and key.revoked_at is None)


def signing(keys: Sequence[StoredKey]) -> StoredKey | None:
    """The key that signs: of several (two nodes at once) the newest."""
    able = (key for key in published(keys) if _is_signing(key))
    return max(able, key=lambda key: (key.signing_at or 0, key.kid), default=None)


def gone_at(key: StoredKey) -> int:
    """When the last token that a retiring key signed has expired everywhere."""
    return (key.retiring_at or 0) + key.longest_ttl + LEEWAY + SKEW


def longest_ttl(keys: Sequence[StoredKey], policy: Policy) -> int:
    """The longest life, in seconds, of any access token that a live key has signed or will sign."""
    return max(policy.access_ttl, *(key.longest_ttl for key in published(keys)), 0)


def due(keys: Sequence[StoredKey], *, now: int, policy: Policy) -> tuple[Change, ...]:
    """What must change now, in order; once it is done, asking again gives nothing."""
    live = published(keys)
    ours = [key for key in live if is_symmetric(key.alg) is policy.symmetric]
    current = signing(ours)
    nexts = sorted((key for key in ours if _is_next(key) and key.alg == policy.algorithm), key=_age)
    successor = nexts.pop(0) if _takes_over(current, nexts, now=now, policy=policy) else None
    changes: list[Change] = []
    if successor is not None:
        changes.append(Promote(successor.kid))
    elif current is None:
        changes.append(Publish(policy.algorithm, sign=True))
    if not nexts and not policy.symmetric:
        changes.append(Publish(policy.algorithm))
    keep = successor or current
    changes += (Retire(key.kid) for key in ours if _is_signing(key) and key != keep)
    changes += (Forget(key.kid) for key in live if key not in ours or _is_over(key, now=now, policy=policy))
    return tuple(changes)


def _is_next(key: StoredKey) -> bool:
    return key.signing_at is None and key.retiring_at is None


def _is_signing(key: StoredKey) -> bool:
    return key.signing_at is not None and key.retiring_at is None


def _age(key: StoredKey) -> tuple[int, str]:
    return key.published_at, key.kid


def _takes_over(current: StoredKey | None, nexts: Sequence[StoredKey], *, now: int, policy: Policy) -> bool:
    """Whether the oldest next becomes the signing key now."""
    if not nexts or current is None or policy.symmetric:
        return bool(nexts)
    ready = now >= nexts[0].published_at + policy.key_lead
    over = current.alg != policy.algorithm or now >= (current.signing_at or 0) + policy.key_interval
    return ready and over


def _is_over(key: StoredKey, *, now: int, policy: Policy) -> bool:
    """A retiring key whose tokens have expired, or a next of an algorithm that is not used any more."""
    return now >= gone_at(key) if key.retiring_at is not None else _is_next(key) and key.alg != policy.algorithm


# --- sealing


def seal(master: bytes, plain: bytes, *, kind: str, name: str, nonce: bytes) -> bytes:
    """A blob that only `master` opens, as this kind and name; `nonce`: 12 fresh random bytes."""
    return _SEAL_VERSION + nonce + _box(master).encrypt(nonce, plain, _context(kind, name))


def unseal(master: bytes, blob: bytes, *, kind: str, name: str) -> bytes:
    """What was sealed. Raises `SecretMismatch`: another master secret, another row, or damage."""
    nonce, sealed = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
    if blob[:1] != _SEAL_VERSION or len(sealed) < _TAG_BYTES:
        raise SecretMismatch(f"the sealed {kind} {name} is damaged or of a newer version")
    try:
        return _box(master).decrypt(nonce, sealed, _context(kind, name))
    except InvalidTag:
        raise SecretMismatch(f"the master secret does not open the {kind} {name}") from None


def _context(kind: str, name: str) -> bytes:
    return _SEAL_VERSION + kind.encode() + b"\0" + name.encode()


@lru_cache(maxsize=8)
def _box(master: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"jotgate seal 1").derive(master))
