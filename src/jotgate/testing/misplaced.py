"""Good tokens in bad places: requests that must be refused although the token in them is good (RFC 6750 section 2).

group        what is wrong                                         answer
---------    --------------------------------------------------    ----------
twice        two credentials                                       400 or 401
schemes      another scheme, or more than one token behind it      400 or 401
elsewhere    not in the Authorization header                       401
"""

from base64 import b64encode
from collections.abc import Iterator

from jotgate.testing.asking import Ask

_REFUSED = frozenset({400, 401})
_PARAMETERS = ("access_token", "token", "jwt", "bearer", "auth_token", "id_token", "authorization")
_COOKIES = ("access_token", "token", "jwt", "session", "Authorization", "access_token_cookie", "auth")
_HEADERS = (
    "X-Access-Token",
    "X-Auth-Token",
    "X-Authorization",
    "X-Forwarded-Authorization",
    "X-Original-Authorization",
    "X-JWT",
    "X-Api-Key",
    "Proxy-Authorization",
    "Authentication",
)
_JOINED_TO_BASIC = "header_twice_basic_first"  # joined by a server it is one of another scheme: no credentials
_IDENTITIES = ("Remote-User", "X-Remote-User", "X-Forwarded-User", "X-User", "X-User-Id", "X-Auth-Request-User")

Placed = Iterator[tuple[str, Ask, frozenset[int]]]  # what it tries, the request, the statuses that are right


def misplaced(path: str, method: str, *, tokens: tuple[str, str], optional: bool, taken: frozenset[str]) -> Placed:
    """All of them; `tokens`: two good ones. `optional`: the path serves callers without credentials as well.

    `taken`: the cookies that a guard reads here.
    """
    for name, headers in twice(*tokens):
        if not (optional and name == _JOINED_TO_BASIC):
            yield name, Ask(method, path, headers), _REFUSED
    for name, value, is_bearer in schemes(*tokens):
        if is_bearer or not optional:
            yield name, Ask(method, path, (("Authorization", value),)), _REFUSED
    if not optional:
        yield from elsewhere(path, method, token=tokens[0], taken=taken)


def twice(one: str, other: str) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Whoever reads the first is not who checks the last."""
    bearer, second = f"Bearer {one}", f"Bearer {other}"
    yield "header_twice", (("Authorization", bearer), ("Authorization", bearer))
    yield "header_twice_another", (("Authorization", bearer), ("Authorization", second))
    yield "header_twice_bad_first", (("Authorization", "Bearer x.y.z"), ("Authorization", bearer))
    yield "header_twice_bad_last", (("Authorization", bearer), ("Authorization", "Bearer x.y.z"))
    yield _JOINED_TO_BASIC, (("Authorization", "Basic YTpi"), ("Authorization", bearer))
    yield "header_twice_basic_last", (("Authorization", bearer), ("Authorization", "Basic YTpi"))
    yield "bearer_twice_in_one", (("Authorization", f"{bearer}, {second}"),)
    yield "bearer_twice_no_blank", (("Authorization", f"{bearer},{bearer}"),)
    yield "bearer_and_basic_in_one", (("Authorization", f"{bearer}, Basic YTpi"),)


def schemes(one: str, other: str) -> Iterator[tuple[str, str, bool]]:
    """What it tries, the header, and whether it is of our scheme: what is not counts as no credentials."""
    yield "bearer_alone", "Bearer", True
    yield "bearer_and_two_tokens", f"Bearer {one} {other}", True
    yield "bearer_and_more", f"Bearer {one} x", True
    yield "bearer_quoted", f'Bearer "{one}"', True
    yield "bearer_parameter", f'Bearer token="{one}"', True
    yield "bearer_twice", f"Bearer Bearer {one}", True
    yield "bearer_comma_behind", f"Bearer {one},", True
    yield "bearer_semicolon_behind", f"Bearer {one};", True
    yield "bearer_null", "Bearer null", True
    yield "bearer_undefined", "Bearer undefined", True
    basic = b64encode(f"bearer:{one}".encode()).decode()
    for name, value in (
        ("bearer_colon", f"Bearer: {one}"),
        ("bearer_equals", f"Bearer={one}"),
        ("bearer_no_blank", f"Bearer{one}"),
        ("scheme_longer", f"Bearers {one}"),
        ("scheme_missing", one),
        ("scheme_token", f"Token {one}"),
        ("scheme_jwt", f"JWT {one}"),
        ("scheme_dpop", f"DPoP {one}"),
        ("scheme_oauth", f"OAuth {one}"),
        ("scheme_apikey", f"ApiKey {one}"),
        ("scheme_basic", f"Basic {basic}"),
        ("scheme_basic_raw", f"Basic {one}"),
        ("scheme_digest", f'Digest username="{one}"'),
        ("scheme_negotiate", f"Negotiate {one}"),
    ):
        yield name, value, False


def elsewhere(path: str, method: str, *, token: str, taken: frozenset[str]) -> Placed:
    """Where tokens are logged, leaked or made up by others."""
    refused = frozenset({401})
    yield "nothing", Ask(method, path), refused
    joint = "&" if "?" in path else "?"
    for name in _PARAMETERS:
        yield f"query_{name}", Ask(method, f"{path}{joint}{name}={token}"), refused
    yield "query_with_scheme", Ask(method, f"{path}{joint}authorization=Bearer%20{token}"), refused
    for name in _COOKIES:
        if name not in taken:
            yield f"cookie_{name.lower()}", Ask(method, path, (("Cookie", f"{name}={token}"),)), refused
    for name in _HEADERS:
        for value in (token, f"Bearer {token}"):
            suffix = "" if value is token else "_bearer"
            label = name.lower().replace("-", "_") + suffix
            yield f"header_{label}", Ask(method, path, ((name, value),)), refused
    yield "subprotocol", Ask(method, path, (("Sec-WebSocket-Protocol", f"bearer.{token}"),)), refused
    for name in _IDENTITIES:
        yield f"identity_{name.lower().replace('-', '_')}", Ask(method, path, ((name, "admin"),)), refused
