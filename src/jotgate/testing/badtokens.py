"""The table of hostile tokens: every one differs from a good token in one thing, and every guard must refuse it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from jotgate.testing import forged, issued, spelled
from jotgate.testing.model import Model

GROUPS: Final = (
    forged.mixtures,
    forged.nones,
    forged.confusions,
    forged.names,
    forged.offered,
    forged.signatures,
    issued.times,
    issued.issuers,
    issued.audiences,
    issued.subjects,
    issued.kinds,
    issued.types,
    spelled.forms,
    spelled.spellings,
    spelled.headers,
    spelled.header_members,
    spelled.payloads,
)


def of_model(model: Model) -> Mapping[str, str]:
    """Name -> token, printable ASCII, so that every client can send it. No two are equal."""
    good, found, texts = model.good, dict[str, str](), set[str]()
    for group in GROUPS:
        for name, token in group(model):
            if token != good and token not in texts:
                texts.add(token)
                found[name] = token
    return MappingProxyType(found)
