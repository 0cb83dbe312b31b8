"""Headers: what every answer carries, and whom we believe about addresses."""

from ipaddress import ip_network

import pytest

from jotgate.server.headers import Cors, Network, address_finder, client_address, security

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_every_answer_refuses_frames_scripts_sniffing_and_referrers() -> None:
    headers = dict(security(secure=False))

    assert headers[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"no-referrer"


@pytest.mark.parametrize(("secure", "there"), [(True, True), (False, False)])
def test_hsts_is_for_https_alone(*, secure: bool, there: bool) -> None:
    assert (b"strict-transport-security" in dict(security(secure=secure))) is there


def test_a_page_may_have_its_own_style_and_form_and_no_script() -> None:
    policy = dict(security(secure=True, style="sha256-x"))[b"content-security-policy"]

    assert b"style-src 'sha256-x'" in policy
    assert b"form-action 'self'" in policy
    assert b"script" not in policy
    assert policy.startswith(b"default-src 'none'; frame-ancestors 'none'")


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "believed"),
    [
        ("192.0.2.1", "203.0.113.9", (), "192.0.2.1"),  # nobody is trusted
        ("192.0.2.1", "203.0.113.9", TRUSTED, "192.0.2.1"),  # the peer is not
        ("10.0.0.1", "", TRUSTED, "10.0.0.1"),  # a proxy that says nothing
        ("10.0.0.1", "203.0.113.9", TRUSTED, "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.9", TRUSTED, "203.0.113.9"),  # what stands left of it may be made up
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", TRUSTED, "203.0.113.9"),  # through two proxies of ours
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", TRUSTED, "10.0.0.3"),  # somebody inside
        ("10.0.0.1", "unknown", TRUSTED, "10.0.0.1"),
        ("10.0.0.1", "nonsense, 10.0.0.2", TRUSTED, "10.0.0.2"),
        ("10.0.0.1", "203.0.113.9:4711", TRUSTED, "203.0.113.9"),
        ("fd00::1", "[2001:db8::1]:443", TRUSTED, "2001:db8::1"),
        ("fd00::1", "[2001:db8::1]", TRUSTED, "2001:db8::1"),
        ("fd00::1", "2001:db8::1", TRUSTED, "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.9", TRUSTED, "203.0.113.9"),  # IPv4 in IPv6 is IPv4
        ("testclient", "203.0.113.9", TRUSTED, "testclient"),  # no address at all
    ],
)
def test_the_client_is_the_last_one_that_no_proxy_of_ours_vouches_for(
    peer: str, forwarded: str, trusted: tuple[Network, ...], believed: str
) -> None:
    assert client_address(peer, forwarded, trusted) == believed


@pytest.mark.parametrize("forwarded", ["", "203.0.113.9", "198.51.100.7, 203.0.113.9", "198.51.100.7, " * 40 + "::1"])
def test_an_address_is_found_the_same_way_again(forwarded: str) -> None:
    find = address_finder(TRUSTED)

    found = [find("10.0.0.1", forwarded) for _ in range(2)]

    assert found == [client_address("10.0.0.1", forwarded, TRUSTED)] * 2


def test_cors_is_a_list_and_says_nothing_to_others() -> None:
    cors = Cors(frozenset({b"https://app.example.com"}), credentials=False)

    listed = dict(cors.answer(b"https://app.example.com"))
    other = dict(cors.answer(b"https://evil.example"))

    assert listed[b"access-control-allow-origin"] == b"https://app.example.com"
    assert b"WWW-Authenticate" in listed[b"access-control-expose-headers"]
    assert b"Retry-After" in listed[b"access-control-expose-headers"]
    assert b"access-control-allow-credentials" not in listed
    assert other == {b"vary": b"Origin"}


@pytest.mark.parametrize(
    "origin", [None, b"null", b"*", b"https://app.example.com.evil.example", b"http://app.example.com"]
)
def test_cors_never_reflects_what_is_not_listed(origin: bytes | None) -> None:
    cors = Cors(frozenset({b"https://app.example.com"}), credentials=True)

    assert all(not name.startswith(b"access-control") for name, _ in cors.answer(origin))
    assert cors.preflight(origin, ["GET"]) == ()


def test_without_a_list_there_is_no_cors() -> None:
    cors = Cors(frozenset(), credentials=True)

    assert cors.answer(b"https://app.example.com") == ()
    assert cors.preflight(b"https://app.example.com", ["GET"]) == ()
