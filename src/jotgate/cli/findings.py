"""What one check of `jotgate doctor` says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `ok`, `note` or `wrong`."""

    check: str
    state: str
    finding: str
