"""Which passwords are acceptable, and what a stored hash says of itself (NIST SP 800-63B section 3.1.1.2; RFC 9106).

A new password is 12 to 256 characters after NFC, of any script, without composition rules. It is refused, with the
reason, when there is too little in it to guess once common passwords, the user's names, sequences and repetitions count
next to nothing: fewer than 8 by `guesswork` (fewer than two thirds of the minimum length, where that is less).
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from jotgate.core import guesswork
from jotgate.core.policy import Policy
from jotgate.errors import PasswordRefused

_ENOUGH = 8
_SHORTEST_FACT = 3
_unfit = re.compile("[\0\ud800-\udfff]").search


def acceptable(password: str, *, policy: Policy, facts: Iterable[str] = ()) -> str:
    """The password as it is hashed, in NFC. `facts`: the user's names and the service's. Raises `PasswordRefused`."""
    text = normalised(password, policy=policy)
    if len(text) < policy.password_min_length:
        raise _refused(f"a password has at least {policy.password_min_length} characters")
    folded = text.casefold()
    own = frozenset(part for fact in facts for part in _parts(fact))
    unit, common = guesswork.unit(folded), guesswork.common_words()
    count = guesswork.count(unit, own | common)
    if count >= min(_ENOUGH, policy.password_min_length * 2 // 3):
        return text
    if count < (without_own := guesswork.count(unit, common)):
        raise _refused("this is mostly your own name or address, or the name of this service")
    if without_own < guesswork.count(unit, frozenset()):
        raise _refused("this is mostly one of the passwords that everybody tries first")
    raise _refused("this is mostly a repetition or a sequence")


def normalised(password: str, *, policy: Policy) -> str:
    """A password in NFC, as it is hashed and compared. Raises `PasswordRefused` for what can be no password here."""
    if len(password) > policy.password_max_length * 4:  # no work for megabytes
        raise _refused(f"a password has at most {policy.password_max_length} characters")
    text = unicodedata.normalize("NFC", password)
    if len(text) > policy.password_max_length:
        raise _refused(f"a password has at most {policy.password_max_length} characters")
    if _unfit(text):
        raise _refused("a password holds no NUL and no half of a surrogate pair")
    return text


def _refused(reason: str) -> PasswordRefused:
    return PasswordRefused(reason, field="password")


def _parts(fact: str) -> set[str]:
    """A fact as a whole and its words: `Ada.Lovelace@example.com` holds `ada` and `lovelace`."""
    folded = unicodedata.normalize("NFC", fact).casefold()
    local = folded.partition("@")[0]
    words = {folded, local, *re.split(r"[\W_]+", folded)}
    return {word for word in words if len(word) >= _SHORTEST_FACT}


# --- stored hashes


@dataclass(frozen=True, slots=True)
class Argon2:
    """The parameters of an Argon2 hash. Sizes in bytes, memory in KiB."""

    variant: str = "argon2id"
    memory_kib: int = 19456
    passes: int = 2
    lanes: int = 1
    salt_bytes: int = 16
    hash_bytes: int = 32


# What a row in the database may make us spend: 256 MiB, and four passes over as much
MAX_MEMORY_KIB = 256 * 1024
MAX_LANES = 16
MAX_WORK = 4 * MAX_MEMORY_KIB  # memory times passes
_SALT_BYTES = range(8, 65)
_HASH_BYTES = range(16, 65)
_MAX_PHC_LENGTH = 256
_PHC = re.compile(
    r"\$(argon2id|argon2i)\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d{0,6}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)",
    re.ASCII,
)


def parse_phc(text: str) -> Argon2 | None:
    """The parameters of a stored hash; None when it is no hash that we would spend memory and time on."""
    match = _PHC.fullmatch(text) if len(text) <= _MAX_PHC_LENGTH else None
    if match is None:
        return None
    *cost, salt, digest = match.groups()
    return _within_limits(tuple(cost), len(salt) * 3 // 4, len(digest) * 3 // 4)


@lru_cache(maxsize=64)  # nearly all hashes have the same
def _within_limits(cost: tuple[str, ...], salt_bytes: int, hash_bytes: int) -> Argon2 | None:
    variant = cost[0]
    memory, passes, lanes = map(int, cost[1:])
    within = memory <= MAX_MEMORY_KIB and memory * passes <= MAX_WORK and lanes <= MAX_LANES and memory >= 8 * lanes
    if not within or salt_bytes not in _SALT_BYTES or hash_bytes not in _HASH_BYTES:
        return None
    return Argon2(variant, memory, passes, lanes, salt_bytes, hash_bytes)


def needs_rehash(phc: str, wanted: Argon2) -> bool:
    """Whether the hash has other parameters than wanted; stronger too: a login's time must not show whose it is."""
    return parse_phc(phc) != wanted
