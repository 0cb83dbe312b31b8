"""Acceptable passwords and stored hashes."""

import unicodedata
from random import Random

import argon2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.passwords import (
    MAX_MEMORY_KIB,
    Argon2,
    acceptable,
    needs_rehash,
    normalised,
    parse_phc,
)
from jotgate.core.policy import policy_for
from jotgate.errors import PasswordRefused

POLICY = policy_for("https://auth.example.com")
SHORT = policy_for("https://auth.example.com", password_min_length=8)
FACTS = ("ada.lovelace@example.com", "countess", "Ada Lovelace", "gym-members")


@pytest.mark.parametrize(
    "password",
    [
        "k3J9-xPq2-mmZ7",
        "correct horse battery staple",
        "correct-horse-42-battery",
        "trickier than it looks",
        "mynameisadalovelace",
        "zwei Flaschen Wein im Keller",
        "\u5bb6\u306e\u9375\u306f\u673a\u306e\u4e0a\u306b\u3042\u308a\u307e\u3059",
        "\U0001f3f0\U0001f40e\U0001f50b\U0001f4ce\U0001f3b7\U0001f951\U0001f9ca\U0001f6b2\U0001f52d\U0001f3b2\U0001f341\U0001f30b",
        "   spaces are   fine ",
        "x" * 4 + " many things ",
    ],
)
def test_a_password_of_any_script_is_accepted(password: str) -> None:
    assert acceptable(password, policy=POLICY, facts=FACTS) == unicodedata.normalize("NFC", password)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("password1234", "everybody tries"),
        ("P@ssw0rd1234", "everybody tries"),
        ("password12345678", "everybody tries"),
        ("summer2024!!", "everybody tries"),
        ("Welcome2024!", "everybody tries"),
        ("december1987", "everybody tries"),
        ("iloveyouforever", "everybody tries"),
        ("sunshinedragon", "everybody tries"),
        ("correcthorsebatterystaple", "everybody tries"),
        ("jotgate12345", "everybody tries"),
        ("passwordpassword", "everybody tries"),
        ("ada.lovelace1815", "your own name"),
        ("Lovelace-Ada-1", "your own name"),
        ("ADA.LOVELACE@EXAMPLE.COM", "your own name"),
        ("countess!!!!1", "your own name"),
        ("gym-members-1", "your own name"),
        ("abcdefghijkl", "sequence"),
        ("123456789012", "sequence"),
        ("mnop5678rstu", "sequence"),
        ("aaaaaaaaaaaa", "repetition"),
        ("abcabcabcabc", "repetition"),
        ("xK9#xK9#xK9#", "repetition"),
        ("\U0001f3f0" * 12, "repetition"),
        ("qazwsx!@#$%^", "everybody tries"),
    ],
)
def test_little_behind_many_characters_is_refused_with_the_reason(password: str, reason: str) -> None:
    with pytest.raises(PasswordRefused, match=reason) as caught:
        acceptable(password, policy=POLICY, facts=FACTS)

    assert caught.value.field == "password"
    assert password.casefold() not in caught.value.detail.casefold()


@pytest.mark.parametrize(("length", "fine"), [(11, ""), (12, "yes"), (256, "yes"), (257, ""), (1025, ""), (10**6, "")])
def test_12_to_256_characters(length: int, fine: str) -> None:
    password = "xq7 bv2 kw9 hd4 "  # repeats only once it is long
    password = ("".join(chr(0x4E00 + number * 7919 % 20000) for number in range(length)) + password)[:length]

    if fine:
        assert acceptable(password, policy=POLICY) == password
    else:
        with pytest.raises(PasswordRefused, match=r"at (least 12|most 256) characters"):
            acceptable(password, policy=POLICY)


def test_length_is_counted_after_nfc() -> None:
    decomposed = "".join(letter + "\u0301" for letter in "aeiouy")

    with pytest.raises(PasswordRefused, match="at least 12"):
        acceptable(decomposed, policy=POLICY)


def test_the_shortest_length_is_the_policy_s_and_asks_for_less_behind_it() -> None:
    assert acceptable("xq7bvk2w", policy=SHORT) == "xq7bvk2w"
    with pytest.raises(PasswordRefused, match="everybody tries"):
        acceptable("dragon12", policy=SHORT)
    with pytest.raises(PasswordRefused, match="at least 8"):
        acceptable("xq7bvk2", policy=SHORT)


@pytest.mark.parametrize(
    "password", ["a perfectly\0fine one", "a perfectly fine one\ud800", "\udfffa perfectly fine one"]
)
def test_what_cannot_be_hashed_is_refused(password: str) -> None:
    with pytest.raises(PasswordRefused, match="NUL"):
        acceptable(password, policy=POLICY)


def test_a_password_at_login_is_brought_to_the_same_form_and_not_judged() -> None:
    assert normalised("cafe\u0301", policy=POLICY) == "caf\u00e9"
    assert normalised("", policy=POLICY) == ""


def test_facts_of_one_or_two_characters_forbid_nothing() -> None:
    assert acceptable("jo went to lyon by bus", policy=POLICY, facts=("jo", "", "by"))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(max_size=300), st.lists(st.text(max_size=30), max_size=4))
def test_any_text_is_accepted_or_refused_and_what_is_accepted_stays_so(password: str, facts: list[str]) -> None:
    try:
        accepted = acceptable(password, policy=POLICY, facts=facts)
    except PasswordRefused:
        return

    assert acceptable(accepted, policy=POLICY, facts=facts) == accepted


def test_passwords_made_at_random_are_accepted() -> None:
    dice = Random(2026)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    for _ in range(3000):
        password = "".join(dice.choices(alphabet, k=16))
        assert acceptable(password, policy=POLICY, facts=FACTS) == password


# --- stored hashes

PHC = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def test_our_own_parameters_are_read_and_need_no_rehash() -> None:
    assert parse_phc(PHC) == Argon2()
    assert not needs_rehash(PHC, Argon2())


def test_a_hash_made_by_argon2_cffi_is_read() -> None:
    made = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=2, hash_len=24, salt_len=12).hash("x")

    assert parse_phc(made) == Argon2("argon2id", 64, 1, 2, 12, 24)


@pytest.mark.parametrize(
    "other",
    [
        PHC.replace("argon2id", "argon2i"),
        PHC.replace("m=19456", "m=19455"),
        PHC.replace("m=19456", "m=65536"),
        PHC.replace("t=2", "t=1"),
        PHC.replace("p=1", "p=4"),
        PHC.replace("$AAAAAAAAAAAAAAAAAAAAAA$", "$AAAAAAAAAAA$"),
        "nonsense",
    ],
)
def test_other_parameters_need_a_rehash(other: str) -> None:
    assert needs_rehash(other, Argon2())


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (f"m={MAX_MEMORY_KIB},t=4,p=1", f"m={MAX_MEMORY_KIB + 1},t=1,p=1"),
        ("m=262144,t=4,p=1", "m=262144,t=5,p=1"),
        ("m=1024,t=1024,p=1", "m=1024,t=1025,p=1"),
        ("m=19456,t=2,p=16", "m=19456,t=2,p=17"),
        ("m=32,t=1,p=4", "m=31,t=1,p=4"),
    ],
)
def test_a_stored_hash_cannot_make_us_spend_more_than_the_ceilings(within: str, beyond: str) -> None:
    assert parse_phc(PHC.replace("m=19456,t=2,p=1", within)) is not None
    assert parse_phc(PHC.replace("m=19456,t=2,p=1", beyond)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 300,
        PHC + "\n",
        " " + PHC,
        PHC.replace("v=19", "v=16"),
        PHC.replace("v=19$", ""),
        PHC.replace("argon2id", "argon2d"),
        PHC.replace("argon2id", "bcrypt"),
        PHC.replace("m=19456", "m=019456"),
        PHC.replace("m=19456", "m=-1"),
        PHC.replace("t=2", "t=0"),
        PHC.replace("t=2", "t=\u0662"),
        PHC.replace("p=1", "p=0"),
        PHC.replace(",p=1", ""),
        PHC.replace("$AAAAAAAAAAAAAAAAAAAAAA$", "$AAAAAAAAA$"),
        PHC.replace("$AAAAAAAAAAAAAAAAAAAAAA$", "$" + "A" * 87 + "$"),
        PHC[: -len("A" * 43)] + "A" * 20,
        PHC + "A" * 44,
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        f"$argon2id$v=19$m={10**12},t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43,
    ],
)
def test_what_is_no_hash_that_we_would_check(text: str) -> None:
    assert parse_phc(text) is None
