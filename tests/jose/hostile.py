"""Tokens that must be refused: forged, confused or malformed, some hundreds for each algorithm.

`attacks(by)` gives them for a verifier that knows the key `by` alone, at the time `NOW`, with `EXPECT` (see `keys`).
"""

from dataclasses import dataclass

from jotgate.jose import Key
from tests.jose import hostile_forged, hostile_signed

GROUPS = (
    hostile_forged.nones,
    hostile_forged.confusions,
    hostile_forged.names,
    hostile_forged.offered_keys,
    hostile_forged.signatures,
    hostile_forged.mixtures,
    hostile_forged.others,
    hostile_signed.forms,
    hostile_signed.serializations,
    hostile_signed.spellings,
    hostile_signed.headers,
    hostile_signed.header_members,
    hostile_signed.payloads,
    hostile_signed.times,
    hostile_signed.issuers,
    hostile_signed.audiences,
    hostile_signed.subjects,
    hostile_signed.kinds,
    hostile_signed.types,
)


@dataclass(frozen=True)
class Attack:
    """One token, and what it tries."""

    name: str
    token: str | bytes


def attacks(by: Key) -> list[Attack]:
    """All of them."""
    return [Attack(f"{group.__name__}: {name}", token) for group in GROUPS for name, token in group(by)]
