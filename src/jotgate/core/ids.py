"""Identifiers of rows: UUIDv7 as 32 hexadecimal digits, ordered by the millisecond (RFC 9562 section 5.7)."""

ENTROPY_BYTES = 10
_TIME_MASK = (1 << 48) - 1
_RANDOM_MASK = (1 << 74) - 1
_NUMBER_MASK = (1 << 63) - 1


def new_id(now_ms: int, entropy: bytes) -> str:
    """An identifier from milliseconds since 1970 and at least ten random bytes, of which 74 bits are used."""
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"an identifier needs {ENTROPY_BYTES} random bytes")
    random = int.from_bytes(entropy[:ENTROPY_BYTES]) & _RANDOM_MASK
    high, low = random >> 62, random & ((1 << 62) - 1)
    return f"{(now_ms & _TIME_MASK) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low:032x}"


def number(row_id: str) -> int:
    """What a database keeps rows by: milliseconds and the last 20 bits, 63 bits in all; -1: this is no identifier.

    Two of one millisecond share it once in a million times, so whoever looks a row up compares the identifier too.
    """
    try:
        return (int(row_id[:12], 16) << 20 | int(row_id[-5:], 16)) & _NUMBER_MASK
    except ValueError:
        return -1


def following(row_id: str) -> str:
    """The next identifier, for a row whose number is taken."""
    return f"{int(row_id, 16) + 1:032x}"
