import base64
import os
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.errors import Malformed
from jotgate.jose import b64

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def canonical(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@pytest.mark.parametrize("size", range(70))
def test_what_is_encoded_is_decoded_again(size: int) -> None:
    data = os.urandom(size)

    assert b64.decode(b64.encode(data)) == data
    assert b64.encode(data).encode() == b64.encode_bytes(data) == canonical(data)


@pytest.mark.parametrize(
    ("text", "data"),
    [  # RFC 4648 section 10, without padding; RFC 7515 appendix C
        ("", b""),
        ("Zg", b"f"),
        ("Zm8", b"fo"),
        ("Zm9v", b"foo"),
        ("Zm9vYg", b"foob"),
        ("Zm9vYmE", b"fooba"),
        ("Zm9vYmFy", b"foobar"),
        ("A-z_4ME", bytes([3, 236, 255, 224, 193])),
    ],
)
def test_examples_of_the_rfcs(text: str, data: bytes) -> None:
    assert b64.decode(text) == data
    assert b64.encode(data) == text


@pytest.mark.parametrize(
    "text",
    [
        "Z",  # one character says six bits
        "Zg==",
        "Zg=",
        "Zm8=",
        "Zm9v=",
        "=",
        "====",
        "Zh",  # spare bits are not zero
        "Zm9",
        "Zm9w Zg",
        "Zm9v\n",
        "\nZm9v",
        " Zm9v",
        "Zm 9v",
        "Zm9v\x00",
        "+/+/",
        "A+z/4ME",
        "Zm9v.Zm9v",
        "\\u005am9v",
        '""""',
        '"QQQ',
        'QQQ"',
        "Zm9v?",
        "Zm9v%3D",
        "Zm9vé",
        "\uff3a\uff4d\uff19\uff56",  # full width
        "\ud800AAA",
    ],
)
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        b64.decode(text)


@pytest.mark.parametrize("data", [None, 5, bytearray(b"Zm9v"), memoryview(b"Zm9v"), ["Zm9v"]])
def test_what_is_no_text_is_refused(data: object) -> None:
    with pytest.raises(Malformed):
        b64.decode(data)  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 43, 86])
def test_any_byte_at_any_place_is_decoded_only_if_encoding_gives_it_back(size: int) -> None:
    good = canonical(bytes(range(64, 164)))[:size]

    for place, byte in product(range(size), range(256)):
        text = good[:place] + bytes([byte]) + good[place + 1 :]
        try:
            data = b64.decode(text)
        except Malformed:
            if set(text) <= set(ALPHABET) and size % 4 != 1:  # then only spare bits can be wrong
                assert canonical(base64.urlsafe_b64decode(text + b"==")) != text
        else:
            assert canonical(data) == text


def test_all_pairs_of_bytes() -> None:
    accepted = set()

    for pair in product(range(256), repeat=2):
        try:
            accepted.add((bytes(pair), b64.decode(bytes(pair))))
        except Malformed:
            continue

    assert accepted == {(canonical(bytes([byte])), bytes([byte])) for byte in range(256)}


@settings(max_examples=2000, derandomize=True, deadline=None)
@given(st.binary(max_size=40) | st.lists(st.sampled_from(ALPHABET + b'=+/\\" \n.'), max_size=40).map(bytes))
def test_random_text_is_decoded_only_if_encoding_gives_it_back(text: bytes) -> None:
    try:
        data = b64.decode(text)
    except Malformed:
        return

    assert canonical(data) == text
