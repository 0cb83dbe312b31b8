"""Where a token may go: the table of `jotgate.client.origins`, row by row."""

import pytest

from jotgate.client.origins import Reach
from jotgate.errors import Misuse

HTTPS, LOCAL, PLAIN = "https://api.example.com/a?b", "http://127.0.0.1:8001/a", "http://members:8000/"


@pytest.mark.parametrize("url", [HTTPS, LOCAL, PLAIN])
def test_who_is_named_gets_the_token(url: str) -> None:
    assert Reach(["https://api.example.com", "http://127.0.0.1:8001/", "http://members:8000"]).covers(url)


@pytest.mark.parametrize("url", [HTTPS, LOCAL, PLAIN])
def test_who_is_not_named_does_not(url: str) -> None:
    assert not Reach("https://other.example.com").covers(url)
    assert not Reach([]).covers(url)


@pytest.mark.parametrize("url", [HTTPS, LOCAL, "http://localhost/", "http://[::1]:80/", "HTTPS://x/"])
def test_without_names_whoever_is_called_safely_gets_it(url: str) -> None:
    assert Reach(None).covers(url)


@pytest.mark.parametrize("url", [PLAIN, "http://api.example.com/", "http://127.0.0.1.example.com/", "ftp://x/"])
def test_without_names_nothing_goes_unencrypted(url: str) -> None:
    with pytest.raises(Misuse, match="only="):
        Reach(None).covers(url)


@pytest.mark.parametrize(
    ("named", "url", "expected"),
    [
        ("https://api.example.com", "https://api.example.com:443/", True),
        ("https://api.example.com:443", "https://API.example.com/", True),
        ("https://api.example.com", "https://api.example.com:8443/", False),
        ("https://api.example.com", "http://api.example.com/", False),
        ("https://api.example.com", "https://api.example.com.evil.example/", False),
        ("https://api.example.com", "https://api.example.com@evil.example/", False),
        ("https://api.example.com", "https://x:y@api.example.com/", True),
    ],
)
def test_an_origin_is_scheme_host_and_port(named: str, url: str, *, expected: bool) -> None:
    assert Reach(named).covers(url) is expected


@pytest.mark.parametrize("named", ["api.example.com", "https://api.example.com/v1", "ftp://x", ""])
def test_what_is_no_origin_is_refused(named: str) -> None:
    with pytest.raises(Misuse, match="no origin"):
        Reach(named)
