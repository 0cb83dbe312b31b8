"""The sealed counter."""

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.refresh_token import MAX_GENERATION, PREFIX, MacKey, Presented, mint, parse, seed_hash
from jotgate.errors import GrantError, JotgateError
from jotgate.jose import b64

MAC = MacKey(7, b"k" * 32)
OTHER = MacKey(8, b"o" * 32)
MACS = {7: MAC, 8: OTHER}
SESSION = "018bcfe568007babababababababab00"
SEED = bytes(range(16))

SESSIONS = st.binary(min_size=16, max_size=16).map(bytes.hex)
SEEDS = st.binary(min_size=16, max_size=16)
GENERATIONS = st.integers(0, MAX_GENERATION)


@settings(derandomize=True, deadline=None)
@given(SESSIONS, GENERATIONS, SEEDS, st.sampled_from([MAC, OTHER]))
def test_parsing_gives_back_what_was_minted(session_id: str, generation: int, seed: bytes, mac: MacKey) -> None:
    token = mint(session_id, generation, seed, mac=mac)

    assert parse(token, MACS) == Presented(session_id, generation, seed)
    assert token == mint(session_id, generation, seed, mac=mac)


def test_a_token_has_80_characters_and_its_prefix() -> None:
    token = mint(SESSION, 0, SEED, mac=MAC)

    assert token.startswith(PREFIX)
    assert len(token) == 80


def test_the_bytes_are_those_of_the_table() -> None:
    body = b"\x01" + (7).to_bytes(4) + bytes.fromhex(SESSION) + (3).to_bytes(4) + SEED

    raw = b64.decode(mint(SESSION, 3, SEED, mac=MAC).removeprefix(PREFIX))

    assert raw == body + hmac.digest(MAC.secret, body, "sha256")[:16]


@pytest.mark.parametrize("bit", range(8 * 57))
def test_any_bit_flipped_in_a_token_kills_it(bit: int) -> None:
    raw = bytearray(b64.decode(mint(SESSION, 3, SEED, mac=MAC).removeprefix(PREFIX)))
    raw[bit // 8] ^= 1 << bit % 8

    with pytest.raises(GrantError):
        parse(PREFIX + b64.encode(bytes(raw)), MACS)


@pytest.mark.parametrize("at", range(80))
def test_any_bit_flipped_in_the_text_kills_it(at: int) -> None:
    token = mint(SESSION, 3, SEED, mac=MAC)

    for bit in range(8):
        flipped = token[:at] + chr(ord(token[at]) ^ 1 << bit) + token[at + 1 :]
        with pytest.raises(GrantError):
            parse(flipped, MACS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jgr_",
        "jgr_" + "A" * 75,
        "jgr_" + "A" * 77,
        "jgr_" + "A" * 76,
        "jgr_" + "A" * 75 + "=",
        "jgr_" + "A" * 75 + "\u00e4",
        "jgr_" + "A" * 75 + "\ud800",
        "JGR_" + mint(SESSION, 0, SEED, mac=MAC)[4:],
        mint(SESSION, 0, SEED, mac=MAC) + "\n",
        " " + mint(SESSION, 0, SEED, mac=MAC),
        mint(SESSION, 0, SEED, mac=MAC).replace("_", "/", 1),
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.AAAA",
    ],
)
def test_what_is_no_token_of_ours_is_refused(text: str) -> None:
    with pytest.raises(GrantError):
        parse(text, MACS)


def test_a_token_under_a_mac_key_that_is_gone_is_refused() -> None:
    token = mint(SESSION, 0, SEED, mac=MAC)

    with pytest.raises(GrantError, match="MAC key"):
        parse(token, {8: OTHER})


def test_a_token_that_names_another_mac_key_is_forged() -> None:
    token = mint(SESSION, 0, SEED, mac=MacKey(8, MAC.secret))

    with pytest.raises(GrantError, match="forged"):
        parse(token, MACS)


def test_a_token_of_another_version_is_refused() -> None:
    body = b"\x02" + b64.decode(mint(SESSION, 0, SEED, mac=MAC).removeprefix(PREFIX))[1:41]

    with pytest.raises(GrantError, match="version"):
        parse(PREFIX + b64.encode(body + MAC.mac(body)), MACS)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.one_of(st.text(max_size=100), st.text(min_size=76, max_size=76).map(lambda text: PREFIX + text)))
def test_random_text_gives_a_grant_error_and_nothing_else(text: str) -> None:
    with pytest.raises(GrantError):
        parse(text, MACS)


def test_what_is_wrong_is_not_quoted() -> None:
    token = mint(SESSION, 0, SEED, mac=MAC)

    with pytest.raises(JotgateError) as caught:
        parse(token, {})

    assert token[4:20] not in str(caught.value)


def test_secrets_do_not_show() -> None:
    assert "kkkk" not in repr(MAC)
    assert repr(SEED) not in repr(Presented(SESSION, 0, SEED))


def test_mac_keys_with_equal_secrets_are_equal() -> None:
    assert MacKey(7, b"k" * 32) == MAC
    assert MAC != OTHER


def test_a_short_mac_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MacKey(1, b"k" * 31)


def test_the_session_keeps_the_hash_of_the_seed() -> None:
    assert seed_hash(SEED) == hashlib.sha256(SEED).digest()
