"""May this browser request change state?"""

import pytest

from jotgate.errors import CrossSite
from jotgate.wire.crosssite import check, check_origin, origin_of

HOST = "https://auth.example.com"
LISTED = "https://app.example.com"
OTHER = "https://evil.example"

ALLOWED = [
    ("anything", LISTED),
    ("cross-site", LISTED),
    ("same-site", LISTED),
    ("same-origin", LISTED),
    ("none", LISTED),
    (None, LISTED),
    ("same-origin", None),
    ("same-origin", HOST),
    (None, HOST),
]
REFUSED = [
    (None, None),
    (None, OTHER),
    (None, "null"),
    (None, ""),
    ("same-origin", OTHER),
    ("same-origin", "null"),
    ("same-site", HOST),
    ("same-site", None),
    ("cross-site", HOST),
    ("cross-site", None),
    ("cross-site", OTHER),
    ("none", HOST),
    ("none", None),
    ("Same-Origin", HOST),
    ("", HOST),
    (None, HOST + "."),
    (None, "http://auth.example.com"),
    (None, "https://auth.example.com:8443"),
    (None, "https://auth.example.com.evil.example"),
]


def checked(
    method: str,
    site: str | None,
    origin: str | None,
    *,
    claim: str | None = "csrf-value",
    header: str | None = "csrf-value",
) -> None:
    check(
        method,
        origin=origin,
        sec_fetch_site=site,
        host_origin=HOST,
        allowed_origins=(LISTED,),
        csrf_claim=claim,
        csrf_header=header,
    )


def from_where(method: str, site: str | None, origin: str | None) -> None:
    check_origin(method, origin=origin, sec_fetch_site=site, host_origin=HOST, allowed_origins=(LISTED,))


@pytest.mark.parametrize(("site", "origin"), ALLOWED)
def test_our_own_and_listed_origins_may(site: str | None, origin: str | None) -> None:
    checked("POST", site, origin)
    from_where("POST", site, origin)


@pytest.mark.parametrize(("site", "origin"), REFUSED)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH", "WEBSOCKET", "", "BREW"])
def test_all_others_may_not(method: str, site: str | None, origin: str | None) -> None:
    with pytest.raises(CrossSite):
        checked(method, site, origin)
    with pytest.raises(CrossSite):
        from_where(method, site, origin)


@pytest.mark.parametrize(("site", "origin"), ALLOWED + REFUSED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "get"])
def test_what_changes_nothing_is_not_asked(method: str, site: str | None, origin: str | None) -> None:
    checked(method, site, origin, claim=None, header=None)
    from_where(method, site, origin)


@pytest.mark.parametrize(
    ("claim", "header"),
    [
        ("csrf-value", None),
        ("csrf-value", ""),
        ("csrf-value", "csrf-valuE"),
        ("csrf-value", "csrf-value "),
        (None, None),
        (None, "csrf-value"),
        ("", ""),
        ("csrf-value", "\u00e4"),
        ("csrf-value", "\ud800"),
    ],
)
def test_without_the_token_s_csrf_value_nothing_is_changed(claim: str | None, header: str | None) -> None:
    with pytest.raises(CrossSite, match="X-CSRF-Token"):
        checked("POST", "same-origin", HOST, claim=claim, header=header)


def test_without_a_listed_origin_only_our_own_may() -> None:
    with pytest.raises(CrossSite):
        check_origin("POST", origin=LISTED, sec_fetch_site=None, host_origin=HOST, allowed_origins=())


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("https", "auth.example.com", "https://auth.example.com"),
        ("HTTPS", "Auth.Example.COM", "https://auth.example.com"),
        ("https", "auth.example.com:443", "https://auth.example.com"),
        ("http", "127.0.0.1:80", "http://127.0.0.1"),
        ("http", "127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https", "auth.example.com:80", "https://auth.example.com:80"),
        ("http", "[::1]:80", "http://[::1]"),
        ("http", "[::1]", "http://[::1]"),
        ("https", "", "https://"),
    ],
)
def test_an_origin_is_written_as_browsers_do(scheme: str, host: str, origin: str) -> None:
    assert origin_of(scheme, host) == origin
