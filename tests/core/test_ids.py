"""Identifiers of rows."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.ids import new_id

MILLISECONDS = st.integers(0, 2**48 - 1)
ENTROPY = st.binary(min_size=10, max_size=10)


@settings(derandomize=True, deadline=None)
@given(MILLISECONDS, ENTROPY)
def test_an_identifier_is_a_uuid_of_version_7(now_ms: int, entropy: bytes) -> None:
    made = uuid.UUID(hex=new_id(now_ms, entropy))

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == now_ms


@settings(derandomize=True, deadline=None)
@given(MILLISECONDS, ENTROPY, ENTROPY)
def test_a_later_millisecond_sorts_later(now_ms: int, one: bytes, other: bytes) -> None:
    assert new_id(now_ms, one) < new_id(now_ms + 1, other) or now_ms == 2**48 - 1


def test_the_entropy_shows_in_74_bits() -> None:
    nothing, everything = int(new_id(0, bytes(10)), 16), int(new_id(0, b"\xff" * 10), 16)

    assert (nothing ^ everything).bit_count() == 74


def test_the_rfc_s_example_is_made_as_32_lower_case_hexadecimal_digits() -> None:
    random = 0xCC3 << 62 | 0x18C4DC0C0C07398F  # RFC 9562 appendix A.6

    assert new_id(0x017F22E279B0, random.to_bytes(10)) == "017f22e279b07cc398c4dc0c0c07398f"


def test_too_little_entropy_is_refused() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        new_id(0, bytes(9))
