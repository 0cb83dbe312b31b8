"""One credential a request, and the cross-site check for the one that browsers send by themselves."""

from collections.abc import Mapping, Sequence

import pytest

from jotgate.errors import CredentialsAmbiguous, CrossSite, Malformed
from jotgate.guard.options import Options
from jotgate.guard.principal import Principal
from jotgate.guard.request import WEBSOCKET, Facts, check_site, credentials, one_cookie
from jotgate.wire.bearer import Credentials

PLAIN = Options("https://auth.example.com")
COOKIE = Options("https://auth.example.com", cookie="at", origins=("https://app.example.com",))
ADA = Principal("ada", claims={"csrf": "c1"})
HERE = {"host": ["api.example.com"], "origin": ["https://api.example.com"], "x-csrf-token": ["c1"]}


def facts(headers: Mapping[str, Sequence[str]], method: str = "POST") -> Facts:
    return Facts(method, "https", lambda name: headers.get(name, ()))


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"cookie": ["other=1"]}, None),
        ({"cookie": ["at="]}, None),
        ({"authorization": ["Bearer t"]}, Credentials("t", "header")),
        ({"cookie": ["at=t"]}, Credentials("t", "cookie")),
        ({"cookie": ["a=b; at=t ; c=d"]}, Credentials("t", "cookie")),
        ({"cookie": ["a=b", "at=t"]}, Credentials("t", "cookie")),
        ({"authorization": ["Bearer t"], "cookie": ["at=t"]}, Credentials("t", "header")),
        ({"authorization": ["Basic YTpi"], "cookie": ["at=t"]}, Credentials("t", "cookie")),
    ],
)
def test_where_the_token_stands(headers: dict[str, list[str]], found: Credentials | None) -> None:
    assert credentials(facts(headers), COOKIE) == found


def test_a_cookie_is_read_only_where_that_was_asked_for() -> None:
    assert credentials(facts({"cookie": ["at=t"]}), PLAIN) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ["Bearer t", "Bearer t"]},
        {"authorization": ["Bearer t"], "cookie": ["at=u"]},
        {"cookie": ["at=t; at=t"]},
        {"cookie": ["at=t", "at=u"]},
    ],
)
def test_two_credentials_are_ambiguous(headers: dict[str, list[str]]) -> None:
    with pytest.raises(CredentialsAmbiguous):
        credentials(facts(headers), COOKIE)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"sec-websocket-protocol": ["chat, bearer.t"]}, Credentials("t", "subprotocol")),
        ({"sec-websocket-protocol": ["chat", "bearer.t"]}, Credentials("t", "subprotocol")),
        ({"sec-websocket-protocol": ["bearer.t"], "authorization": ["Bearer t"]}, Credentials("t", "subprotocol")),
        ({"sec-websocket-protocol": ["chat"], "authorization": ["Bearer t"]}, Credentials("t", "header")),
        ({"sec-websocket-protocol": ["chat"], "cookie": ["at=t"]}, Credentials("t", "cookie")),
        ({"sec-websocket-protocol": ["chat"]}, None),
    ],
)
def test_a_websocket_may_bring_it_as_a_subprotocol(headers: dict[str, list[str]], found: Credentials | None) -> None:
    assert credentials(facts(headers, WEBSOCKET), COOKIE) == found


def test_a_subprotocol_is_read_in_a_handshake_alone() -> None:
    assert credentials(facts({"sec-websocket-protocol": ["bearer.t"]}, "GET"), COOKIE) is None


@pytest.mark.parametrize("other", [{"authorization": ["Bearer u"]}, {"cookie": ["at=u"]}])
def test_a_subprotocol_and_another_token_are_ambiguous(other: dict[str, list[str]]) -> None:
    with pytest.raises(CredentialsAmbiguous):
        credentials(facts({"sec-websocket-protocol": ["bearer.t"], **other}, WEBSOCKET), COOKIE)


def test_a_malformed_credential_is_none_at_all() -> None:
    with pytest.raises(Malformed):
        credentials(facts({"cookie": ["at=a b"]}), COOKIE)


def test_names_of_cookies_are_compared_to_the_letter() -> None:
    assert one_cookie(["AT=t; xat=u; at =v"], "at") is None


@pytest.mark.parametrize(
    ("changed", "method", "allowed"),
    [
        ({}, "POST", True),
        ({}, "DELETE", True),
        ({"origin": []}, "GET", True),
        ({"origin": ["https://evil.example.com"], "x-csrf-token": []}, "GET", True),
        ({"sec-fetch-site": ["same-origin"]}, "POST", True),
        ({"origin": [], "sec-fetch-site": ["same-origin"]}, "POST", True),
        ({"origin": ["https://app.example.com"]}, "POST", True),
        ({"origin": ["https://app.example.com"], "sec-fetch-site": ["cross-site"]}, "POST", True),
        ({"host": ["api.example.com:443"]}, "POST", True),
        ({"origin": ["https://evil.example.com"]}, "POST", False),
        ({"origin": ["http://api.example.com"]}, "POST", False),
        ({"origin": ["https://api.example.com", "https://api.example.com"]}, "POST", False),
        ({"origin": ["null"]}, "POST", False),
        ({"origin": []}, "POST", False),
        ({"sec-fetch-site": ["cross-site"]}, "POST", False),
        ({"sec-fetch-site": ["same-site"]}, "POST", False),
        ({"x-csrf-token": []}, "POST", False),
        ({"x-csrf-token": ["c2"]}, "POST", False),
        ({"x-csrf-token": ["c1", "c1"]}, "POST", False),
        ({"host": []}, "POST", False),
        ({"x-csrf-token": []}, WEBSOCKET, True),
        ({"origin": ["https://app.example.com"], "x-csrf-token": []}, WEBSOCKET, True),
        ({"origin": ["https://evil.example.com"]}, WEBSOCKET, False),
        ({"origin": []}, WEBSOCKET, False),
    ],
)
def test_what_a_page_may_do_by_cookie(changed: dict[str, list[str]], method: str, *, allowed: bool) -> None:
    request = facts({**HERE, **changed}, method)

    if allowed:
        check_site(request, ADA, COOKIE)
    else:
        with pytest.raises(CrossSite):
            check_site(request, ADA, COOKIE)


@pytest.mark.parametrize("claims", [{}, {"csrf": 5}, {"csrf": ""}])
def test_a_token_without_a_csrf_claim_changes_nothing_by_cookie(claims: dict[str, object]) -> None:
    with pytest.raises(CrossSite):
        check_site(facts({**HERE, "x-csrf-token": ["5"]}), Principal("ada", claims=claims), COOKIE)
