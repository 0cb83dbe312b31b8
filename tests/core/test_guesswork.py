"""How much there is to guess."""

import pytest

from jotgate.core.guesswork import common_words, count, unit

WORDS = frozenset({"password", "pass", "ada"})


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("", 0),
        ("x", 1),
        # a word, however long; the longest at its place
        ("password", 2),
        ("pass", 2),
        ("passwordada", 4),
        ("xpasswordx", 4),
        # in disguise
        ("p@$$w0rd", 2),
        ("4d4", 2),
        # a year or a date
        ("1987", 2),
        ("2026", 2),
        ("1800", 4),
        ("311299", 2),
        ("12311999", 2),
        # a sequence or the same again: the first step counts
        ("aa", 2),
        ("aaa", 2),
        ("aaaaaaaa", 2),
        ("abcdefgh", 2),
        ("hgfedcba", 2),
        ("qwertyuiop", 2),
        ("mnopxmnop", 5),
        ("123k321", 5),
        # anything else
        ("kq7!", 4),
    ],
)
def test_the_table(text: str, total: int) -> None:
    assert count(text, WORDS) == total


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("", ""),
        ("a", "a"),
        ("aa", "a"),
        ("abab", "ab"),
        ("ababa", "ab"),
        ("abaab", "abaab"),
        ("abcabd", "abcabd"),
        ("abcab", "abcab"),
    ],
)
def test_what_a_text_repeats(text: str, repeated: str) -> None:
    assert unit(text) == repeated


def test_common_words_are_case_folded_and_of_three_letters_or_more() -> None:
    words = common_words()

    assert len(words) > 1500
    assert all(word == word.casefold() and len(word) >= 3 for word in words)
    assert {"password", "qwertyuiop", "letmein", "passwort"} <= words
