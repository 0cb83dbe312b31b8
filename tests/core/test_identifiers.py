"""Normalised e-mail addresses and user names."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.identifiers import normalise_email, normalise_username
from jotgate.errors import Invalid


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@Example.COM \n", "ada@example.com"),
        ("o'brien+tag@sub.example.co.uk", "o'brien+tag@sub.example.co.uk"),
        ("STRASSE@example.com", "strasse@example.com"),
        ("stra\u00dfe@example.com", "strasse@example.com"),
        ("Jose\u0301@example.com", "jos\u00e9@example.com"),
        ("root@localhost", "root@localhost"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("a@" + "b" * 252, "a@" + "b" * 252),
    ],
)
def test_an_e_mail_address_is_kept_in_one_form(text: str, kept: str) -> None:
    assert normalise_email(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@b@example.com",
        "ada lovelace@example.com",
        "ada@exam\u200bple.com",
        "ada@example.com\r\nBcc: x@y",
        "ada\0@example.com",
        "ada@.example.com",
        "ada@example.com.",
        "ada@-example.com",
        "ada@example-",
        "ada@example..com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 253,
        "a@" + "\u00e4" * 127,
        "\ud800@example.com",
        "a@" + "b" * 10_000,
        "\u0378@example.com",
        "\ue000@example.com",
    ],
)
def test_what_is_no_e_mail_address_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        normalise_email(text)

    assert caught.value.field == "email"
    assert caught.value.detail


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ada", "ada"),
        (" Ada ", "ada"),
        ("\uff21\uff24\uff21", "ada"),
        ("A\u0308da", "\u00e4da"),
        ("\u0410\u0434\u0430", "\u0430\u0434\u0430"),
        ("\u2460", "1"),
        ("a" * 64, "a" * 64),
        ("a", "a"),
    ],
)
def test_a_user_name_is_kept_in_one_form(text: str, kept: str) -> None:
    assert normalise_username(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "ada@example.com",
        "ada\uff20example",
        "ada lovelace",
        "ada\u00a0lovelace",
        "ada\tlovelace",
        "a\u202eda",
        "a\ufeffda",
        "a\u00adda",
        "a" * 65,
        "\ufdfa" * 10,
        "a\ud800",
        "\x7f",
    ],
)
def test_what_is_no_user_name_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        normalise_username(text)

    assert caught.value.field == "username"
    assert caught.value.detail


def test_every_character_settles_when_it_is_normalised() -> None:
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        settled = unicodedata.is_normalized("NFKC", character) and character.casefold() == character
        if settled and unicodedata.combining(character) == 0:
            continue
        for normalise, text in (
            (normalise_username, f"x{character}y"),
            (normalise_email, f"x{character}y@example.com"),
        ):
            try:
                once = normalise(text)
            except Invalid:
                continue
            assert normalise(once) == once


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.text(max_size=80))
def test_any_text_settles_or_is_invalid(text: str) -> None:
    for normalise in (normalise_username, normalise_email):
        try:
            once = normalise(text)
        except Invalid:
            continue
        assert normalise(once) == once
