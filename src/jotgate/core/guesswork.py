"""Guesswork: how much of a text an attacker would really have to guess.

    part                                                         counts as
    ----                                                         ---------
    a common password, an own name, the service's name           2, however long
    a year or a date in digits                                   2
    the same character again, or its neighbour in the            1 once, then 0
    alphabet or on the keyboard
    any other character                                          1
    the whole once more                                          0

`P@ssw0rd1234` has 4, `ada.lovelace1815` 6 with Ada's names as words, twelve random letters about 12.
"""

import re
from functools import cache
from importlib.resources import files
from itertools import pairwise

_WORD_COUNTS = 2
_STEPS_COUNT = 2  # the first step of a sequence may be chance
_DATE = re.compile(r"(?:0[1-9]|[12]\d|3[01]){2}(?:(?:19|20)\d\d|\d\d)|(?:19|20)\d\d", re.ASCII)
_DISGUISES = str.maketrans("@4301!5$7", "aaeoiisst")
_SEQUENCES = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()",
)
_NEIGHBOURS = frozenset(
    pair for row in _SEQUENCES for one, other in pairwise(row) for pair in (one + other, other + one)
)


@cache
def common_words() -> frozenset[str]:
    """Common passwords and what they are made of, case-folded; read once from the file beside this one."""
    text = files("jotgate.core").joinpath("blocklist.txt").read_text("utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def unit(text: str) -> str:
    """What a text repeats from its beginning to its end, if it repeats anything; else the text."""
    return next((text[:period] for period in range(1, len(text) // 2 + 1) if text[period:] == text[:-period]), text)


def count(text: str, words: frozenset[str]) -> int:
    """The sum of the table above for a case-folded text; `words` are known to the attacker."""
    lengths = sorted({len(word) for word in words}, reverse=True)
    plain = text.translate(_DISGUISES)
    total, at, steps = 0, 0, 0  # steps: how many characters up to here each followed from the one before
    while at < len(text):
        known = next((n for n in lengths if text[at : at + n] in words or plain[at : at + n] in words), 0)
        if date := None if known else _DATE.match(text, at):
            known = len(date[0])
        steps = steps + 1 if not known and at and _follows(text[at - 1], text[at]) else 0
        total += _WORD_COUNTS if known else steps < _STEPS_COUNT
        at += known or 1
    return total


def _follows(before: str, character: str) -> bool:
    return before == character or before + character in _NEIGHBOURS
