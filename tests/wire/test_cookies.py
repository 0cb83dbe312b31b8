"""The cookies of the cookie transport."""

import http.cookies

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.errors import CredentialsAmbiguous
from jotgate.wire.cookies import Found, Names, clear, names, parse, set_access, set_csrf, set_refresh


def test_the_names_on_https_and_on_plain_loopback() -> None:
    assert names(secure=True) == Names("__Host-jotgate-at", "__Secure-jotgate-rt", "__Host-jotgate-csrf")
    assert names(secure=False) == Names("jotgate-at", "jotgate-rt", "jotgate-csrf")


def test_the_cookies_on_https() -> None:
    assert (
        set_access("tok", seconds=900, secure=True)
        == "__Host-jotgate-at=tok; Path=/; Max-Age=900; SameSite=Lax; HttpOnly; Secure"
    )
    assert (
        set_refresh("jgr_x", seconds=60, secure=True, path="/mount/auth/refresh")
        == "__Secure-jotgate-rt=jgr_x; Path=/mount/auth/refresh; Max-Age=60; SameSite=Strict; HttpOnly; Secure"
    )
    assert (
        set_csrf("abc", seconds=60, secure=True) == "__Host-jotgate-csrf=abc; Path=/; Max-Age=60; SameSite=Lax; Secure"
    )


def test_the_cookies_on_plain_loopback() -> None:
    assert set_access("tok", seconds=900, secure=False) == "jotgate-at=tok; Path=/; Max-Age=900; SameSite=Lax; HttpOnly"
    assert set_csrf("abc", seconds=60, secure=False) == "jotgate-csrf=abc; Path=/; Max-Age=60; SameSite=Lax"
    assert (
        set_refresh("r", seconds=1, secure=False, path="/refresh")
        == "jotgate-rt=r; Path=/refresh; Max-Age=1; SameSite=Strict; HttpOnly"
    )


def test_clearing_names_the_same_cookies_and_paths() -> None:
    assert clear(secure=True, path="/auth/refresh") == (
        "__Host-jotgate-at=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure",
        "__Secure-jotgate-rt=; Path=/auth/refresh; Max-Age=0; SameSite=Strict; HttpOnly; Secure",
        "__Host-jotgate-csrf=; Path=/; Max-Age=0; SameSite=Lax; Secure",
    )


@settings(derandomize=True, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_path_breaks_out(path: str) -> None:
    cookie = set_refresh("r", seconds=1, secure=True, path=path)

    assert cookie.isascii()
    assert cookie.isprintable()
    assert cookie.count(";") == 5


def test_a_standard_parser_reads_what_is_set() -> None:
    jar = http.cookies.SimpleCookie(set_access("tok", seconds=900, secure=True))

    morsel = jar["__Host-jotgate-at"]
    assert (morsel.value, morsel["path"], morsel["max-age"]) == ("tok", "/", "900")
    assert (morsel["samesite"], morsel["httponly"], morsel["secure"]) == ("Lax", True, True)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", Found()),
        ("theme=dark", Found()),
        ("__Host-jotgate-at=tok", Found(access="tok")),
        ("a=b; __Host-jotgate-at=tok;c=d", Found(access="tok")),
        ("__Host-jotgate-at=a=b==", Found(access="a=b==")),
        ("__Host-jotgate-at=", Found()),
        ("__Host-jotgate-at", Found()),
        ("jotgate-at=tok", Found()),
        ("__host-jotgate-at=tok", Found()),
        (
            "__Host-jotgate-at=t; __Secure-jotgate-rt=jgr_x; __Host-jotgate-csrf=c",
            Found(access="t", refresh="jgr_x", csrf="c"),
        ),
        ("theme=dark; theme=light", Found()),
    ],
)
def test_our_cookies_are_found(header: str, found: Found) -> None:
    assert parse(header, secure=True) == found


def test_on_plain_loopback_the_plain_names_are_found() -> None:
    assert parse("jotgate-at=t; __Host-jotgate-at=u", secure=False) == Found(access="t")


@pytest.mark.parametrize(
    "header",
    [
        "__Host-jotgate-at=a; __Host-jotgate-at=b",
        "__Host-jotgate-at=a; __Host-jotgate-at=a",
        "__Host-jotgate-at=; __Host-jotgate-at=a",
        "__Secure-jotgate-rt=a; x=y; __Secure-jotgate-rt=b",
        "__Host-jotgate-csrf=a;__Host-jotgate-csrf=b",
    ],
)
def test_a_name_of_ours_twice_is_ambiguous(header: str) -> None:
    with pytest.raises(CredentialsAmbiguous):
        parse(header, secure=True)


def test_tokens_do_not_show() -> None:
    assert "tok" not in repr(Found(access="tok", refresh="tok", csrf="tok"))


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_any_header_is_read(header: str) -> None:
    assert isinstance(parse(header, secure=True), Found)
