"""The refresh token, a sealed counter: mint and parse.

    jgr_ + base64url of 57 bytes:

    bytes    what
    -----    --------------------------------------------------------
    1        version, 1
    4        number of the MAC key
    16       session
    4        generation
    16       seed: random at login, the same in all generations, never stored
    16       MAC: the first half of HMAC-SHA256 over everything before it

A forged token dies here, before a database is asked. Parsing says the same of every wrong token: `GrantError`.
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from jotgate.errors import GrantError, Malformed
from jotgate.jose import b64

PREFIX = "jgr_"
SEED_BYTES = 16
MAC_KEY_BYTES = 32
MAX_GENERATION = 2**32 - 1

_VERSION = 1
_MAC_BYTES = 16
_BODY = struct.Struct(">BI16sI16s")
_LENGTH = len(PREFIX) + (_BODY.size + _MAC_BYTES) * 4 // 3  # 57 bytes are 76 characters, no padding, no spare bits


@dataclass(frozen=True, slots=True)
class MacKey:
    """A key for the MAC of refresh tokens. Its HMAC state is prepared once: a copy costs a third of a new one."""

    id: int  # u32
    secret: bytes = field(repr=False)
    _state: HMAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.secret) < MAC_KEY_BYTES:
            raise ValueError(f"a MAC key has at least {MAC_KEY_BYTES} bytes")
        object.__setattr__(self, "_state", HMAC(self.secret, SHA256()))

    def mac(self, body: bytes) -> bytes:
        """16 bytes over `body`."""
        state = self._state.copy()
        state.update(body)
        return state.finalize()[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class Presented:
    """What an authentic refresh token says."""

    session_id: str
    generation: int
    seed: bytes = field(repr=False)


def mint(session_id: str, generation: int, seed: bytes, *, mac: MacKey) -> str:
    """The refresh token of a generation; the same input gives the same token."""
    body = _BODY.pack(_VERSION, mac.id, bytes.fromhex(session_id), generation, seed)
    return PREFIX + b64.encode(body + mac.mac(body))


def parse(text: str, macs: Mapping[int, MacKey]) -> Presented:
    """What the token says, if one of our keys made it. Raises `GrantError`."""
    if len(text) != _LENGTH or not text.startswith(PREFIX):
        raise GrantError("not a refresh token of ours")
    try:
        raw = b64.decode(text[len(PREFIX) :])
    except Malformed as error:
        raise GrantError("not a refresh token of ours") from error
    body = raw[: _BODY.size]
    version, key_id, session, generation, seed = _BODY.unpack(body)
    mac = macs.get(key_id)
    if version != _VERSION or mac is None:
        raise GrantError("the version or the MAC key of the refresh token is unknown")
    if not compare_digest(mac.mac(body), raw[_BODY.size :]):
        raise GrantError("the refresh token is forged")
    return Presented(session.hex(), generation, seed)


def seed_hash(seed: bytes) -> bytes:
    """What a session row keeps of the seed: its SHA-256."""
    return hashlib.sha256(seed).digest()
