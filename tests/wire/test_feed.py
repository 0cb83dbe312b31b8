"""Entries, digests, cursors and pages of the feed."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.errors import Malformed
from jotgate.wire.feed import (
    MAX_PAGE_BYTES,
    MAX_PAGE_ENTRIES,
    MAX_SEQ,
    Cursor,
    Entry,
    Page,
    digest,
    encode_page,
    parse_cursor,
    parse_page,
)

ISSUER = "https://auth.example.com"
SID = digest(ISSUER, "sid", "a")
SUB = digest(ISSUER, "sub", "u")
PAGE = Page("inc-1.42", False, True, (Entry("sid", SID, None, 1_800_000_000), Entry("sub", SUB, 17, 1_800_000_001)))

DIGESTS = st.binary(min_size=16, max_size=16)
TIMES = st.integers(0, 10**15 - 1)
ENTRIES = st.one_of(
    st.builds(Entry, st.sampled_from(["sid", "jti", "kid"]), DIGESTS, st.none(), TIMES),
    st.builds(Entry, st.just("sub"), DIGESTS, TIMES, TIMES),
    st.builds(Entry, st.from_regex(r"\A[a-z]{4,16}\Z"), DIGESTS, st.none() | TIMES, TIMES),
)
CURSORS = st.builds(Cursor, st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z"), st.integers(0, MAX_SEQ))
PAGES = st.builds(
    Page,
    CURSORS.map(lambda cursor: cursor.text),
    st.booleans(),
    st.booleans(),
    st.lists(ENTRIES, max_size=8).map(tuple),
)


# --- digests


def test_a_digest_is_half_a_sha256_of_issuer_kind_and_name() -> None:
    assert hashlib.sha256(b"https://auth.example.com\0sid\0a").digest()[:16] == SID


@pytest.mark.parametrize(
    "other", [("https://other.example.com", "sid", "a"), (ISSUER, "jti", "a"), (ISSUER, "sid", "b")]
)
def test_digests_differ_by_issuer_kind_and_name(other: tuple[str, str, str]) -> None:
    assert digest(*other) != SID


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_any_name_has_a_digest(name: str) -> None:
    assert len(digest(ISSUER, "jti", name)) == 16


def test_a_lone_surrogate_has_a_digest_too() -> None:
    assert len(digest(ISSUER, "jti", "\ud800")) == 16


# --- cursors


@settings(derandomize=True, deadline=None)
@given(CURSORS)
def test_a_cursor_is_parsed_back(cursor: Cursor) -> None:
    assert parse_cursor(cursor.text) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a",
        "a.",
        ".1",
        "a.01",
        "a.-1",
        "a.+1",
        "a.1 ",
        "a.1\n",
        "a b.1",
        "a.\u0661",
        "a.b.1",
        "a.1.1",
        "a" * 65 + ".1",
        f"a.{MAX_SEQ + 1}",
        "a." + "9" * 5000,
    ],
)
def test_what_is_no_cursor_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_cursor(text)


@settings(derandomize=True, deadline=None, max_examples=1000)
@given(st.text(max_size=90))
def test_any_text_is_a_cursor_or_malformed(text: str) -> None:
    try:
        cursor = parse_cursor(text)
    except Malformed:
        return

    assert cursor.text == text


# --- pages


def test_a_page_is_the_contract_s_json() -> None:
    assert json.loads(encode_page(PAGE)) == {
        "next": "inc-1.42",
        "more": False,
        "reset": True,
        "entries": [
            ["sid", "jaHbY_1GCO2nqIJytmwjBA", None, 1_800_000_000],
            ["sub", "UDUbpbMPa9wGGdgRJBp8CA", 17, 1_800_000_001],
        ],
    }


@settings(derandomize=True, deadline=None)
@given(PAGES)
def test_a_page_is_parsed_back(page: Page) -> None:
    assert parse_page(encode_page(page)) == page


def changed(**changes: object) -> bytes:
    return json.dumps(json.loads(encode_page(PAGE)) | changes).encode()


def entry(*changes: object) -> bytes:
    return changed(entries=[list(changes)])


GOOD = "jaHbY_1GCO2nqIJytmwjBA"


def test_the_examples_below_are_fine_but_for_one_thing() -> None:
    assert parse_page(entry("sid", GOOD, None, 1)).entries == (Entry("sid", SID, None, 1),)
    assert parse_page(changed()) == PAGE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"\xef\xbb\xbf" + changed(),
        changed() + b"x",
        changed()[:-1],
        changed(next=None),
        changed(next=1),
        changed(next="nonsense"),
        changed(next="a.1\n"),
        changed(more=1),
        changed(reset="true"),
        changed(entries={}),
        changed(entries=None),
        changed(entries=[None]),
        entry(),
        entry("sid", GOOD, None),
        entry("sid", GOOD, None, 1, 2),
        entry("", GOOD, None, 1),
        entry("SID", GOOD, None, 1),
        entry("sid\n", GOOD, None, 1),
        entry("s" * 17, GOOD, None, 1),
        entry(1, GOOD, None, 1),
        entry("sid", GOOD[:-1], None, 1),
        entry("sid", GOOD + "A", None, 1),
        entry("sid", GOOD[:-1] + "B", None, 1),
        entry("sid", GOOD.replace("_", "/"), None, 1),
        entry("sid", GOOD[:-1] + "\u00e4", None, 1),
        entry("sid", None, None, 1),
        entry("sid", GOOD, 1, 1),
        entry("jti", GOOD, 1, 1),
        entry("kid", GOOD, 1, 1),
        entry("sub", GOOD, None, 1),
        entry("sub", GOOD, -1, 1),
        entry("sub", GOOD, 1.5, 1),
        entry("sub", GOOD, "1", 1),
        entry("sub", GOOD, 10**15, 1),
        entry("sid", GOOD, None, -1),
        entry("sid", GOOD, None, 10**15),
        entry("sid", GOOD, None, 10**400),
        entry("sid", GOOD, None, 1.0),
        entry("sid", GOOD, None, True),
        entry("sid", GOOD, None, None),
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_page_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_page(data)


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(
    "digest",
    [GOOD[:-1] + "B", GOOD[:-1] + "=", GOOD[:-1] + '"', GOOD[:-1] + "\\", GOOD[:-2] + "==", "\u00e4" + GOOD[1:]],
)
def test_a_digest_among_others_is_looked_at_like_one_alone(digest: str, at: int) -> None:
    entries = [["sid", GOOD, None, 1] for _ in range(3)]
    assert len(parse_page(changed(entries=entries)).entries) == 3

    entries[at][1] = digest

    with pytest.raises(Malformed):
        parse_page(changed(entries=entries))


def test_a_kind_of_a_newer_issuer_comes_through() -> None:
    page = parse_page(changed(entries=[["client", GOOD, None, 1], ["sid", GOOD, None, 1]]))

    assert [one.kind for one in page.entries] == ["client", "sid"]


def test_a_field_of_a_newer_issuer_is_ignored() -> None:
    assert parse_page(changed(signature="...")) == PAGE


def test_ten_thousand_entries_are_a_page_and_one_more_is_not() -> None:
    page = Page("a.1", False, False, (Entry("sub", SUB, 10**14, 10**14),) * MAX_PAGE_ENTRIES)

    encoded = encode_page(page)

    assert len(encoded) < MAX_PAGE_BYTES
    assert parse_page(encoded) == page
    with pytest.raises(Malformed):
        parse_page(encode_page(Page("a.1", False, False, page.entries + page.entries[:1])))


def test_two_mebibytes_are_a_page_and_one_byte_more_is_not() -> None:
    padded = changed() + b" " * (MAX_PAGE_BYTES - len(changed()))

    assert parse_page(padded) == PAGE
    with pytest.raises(Malformed, match="too large"):
        parse_page(padded + b" ")


@settings(derandomize=True, deadline=None, max_examples=1000)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass"))))
def test_random_bytes_are_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_page(data)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(PAGES, st.data())
def test_a_damaged_page_is_a_page_or_malformed(page: Page, data: st.DataObject) -> None:
    raw = bytearray(encode_page(page))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))

    try:
        found = parse_page(bytes(raw))
    except Malformed:
        return

    assert parse_page(encode_page(found)) == found
