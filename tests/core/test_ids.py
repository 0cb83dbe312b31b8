"""Identifiers of rows."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.ids import following, new_id, number

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


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**43 - 2), ENTROPY, ENTROPY)
def test_the_number_of_an_identifier_fits_a_database_and_grows_with_time(now_ms: int, one: bytes, other: bytes) -> None:
    earlier, later = number(new_id(now_ms, one)), number(new_id(now_ms + 1, other))

    assert 0 <= earlier < later < 2**63
    assert earlier >> 20 == now_ms
    assert earlier & 0xFFFFF == int(new_id(now_ms, one), 16) & 0xFFFFF


@pytest.mark.parametrize("row_id", ["f" * 32, "0" * 32, f"{1:032x}", "-" + "1" * 31])
def test_any_identifier_has_a_number(row_id: str) -> None:
    assert 0 <= number(row_id) < 2**63


@pytest.mark.parametrize("row_id", ["", "s1", "x" * 32, "0" * 31 + "g", "\ud800" * 32, "'; drop table users; --"])
def test_what_is_no_identifier_has_the_number_of_none(row_id: str) -> None:
    assert number(row_id) == -1


def test_the_following_identifier_has_the_following_number() -> None:
    row_id = new_id(1_800_000_000_000, b"0123456789")

    assert number(following(row_id)) == number(row_id) + 1
    assert following(row_id)[:27] == row_id[:27]
