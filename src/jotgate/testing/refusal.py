"""Throwing the whole attack set at an application: it refuses everything, and as the RFC says (RFC 6750 section 3).

    request                     must be answered with
    ------------------------    ----------------------------------------------------------------------
    a good token                anything but 3xx, 400, 401, 403, 404, 405, 5xx: else nothing is proved
    a bad token                 401, or 400 where the header itself cannot be read
    a token that is too long    401, or what the server says by itself: 400, 413, 414, 431
    a good token misplaced      401 or 400, see `jotgate.testing.misplaced`
    the good token again        what it was answered at first

A 401 carries `WWW-Authenticate: Bearer`, and no answer quotes the token. The good token is tried before and after, so
that an application that refuses everybody does not pass.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from jotgate.testing.acting import acting
from jotgate.testing.asking import Ask, Reply, WrongClientError, ask, ask_async, bare
from jotgate.testing.issuer import TestIssuer, standing
from jotgate.testing.misplaced import misplaced

_BAD: Final = frozenset({400, 401})
_LONG: Final = frozenset({400, 401, 413, 414, 431})
_LONGER: Final = 4000  # characters that some server may find too long for a header
_TELLING: Final = 24  # characters of a token that nobody writes by chance
_HINTS: Final = {
    400: "it answers so to a good request",
    401: "does its guard stand in this process?",
    403: "pass role=... or scope=... as it requires",
    404: "give a path that is there",
    405: "give the method that it has",
}
_Trial = Generator[Ask, Reply | Exception | None, None]


class Mint(Protocol):
    """What makes tokens: a `TestIssuer`, or a `LiveIssuer`."""

    @property
    def cookies(self) -> frozenset[str]:
        """The cookies that guards of this issuer read."""

    def mint(self, **claims: Any) -> str:
        """A good token."""

    def bad_tokens(self, **claims: Any) -> Mapping[str, str]:
        """Hostile ones by name."""


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    method: str
    optional: bool
    claims: Mapping[str, Any]


def assert_refuses_bad_tokens(
    client: Any,
    path: str,
    method: str = "GET",
    *,
    issuer: Mint | None = None,
    optional: bool = False,
    **claims: Any,
) -> None:
    """Raises one `AssertionError` that names everything the application let in or answered wrongly.

    `client`: any test client, the address of a server in this process, or a function; see `jotgate.testing.asking`.
    `issuer`: by default the one that stands, or one for the length of this call.
    `optional`: the path also serves callers without credentials.
    `claims`: as for `TestIssuer.mint`: `role=...`, `scope=...` that the path requires, `guard=...`.
    """
    __tracebackhide__ = True
    with _begun(client, issuer, _Place(path, method, optional, claims)) as trial, suppress(StopIteration):
        reply: Reply | Exception | None = None
        while True:
            what = trial.send(reply)
            try:
                reply = ask(client, what)
            except WrongClientError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever the application raises, it is no refusal
                reply = error


async def assert_refuses_bad_tokens_async(
    client: Any,
    path: str,
    method: str = "GET",
    *,
    issuer: Mint | None = None,
    optional: bool = False,
    **claims: Any,
) -> None:
    """The same through a client that has to be awaited: httpx, Quart, Litestar, Django's `AsyncClient`, aiohttp."""
    __tracebackhide__ = True
    with _begun(client, issuer, _Place(path, method, optional, claims)) as trial, suppress(StopIteration):
        reply: Reply | Exception | None = None
        while True:
            what = trial.send(reply)
            try:
                reply = await ask_async(client, what)
            except WrongClientError:
                raise
            except Exception as error:  # noqa: BLE001  # as above
                reply = error


@contextmanager
def _begun(client: Any, issuer: Mint | None, place: _Place) -> Iterator[_Trial]:
    found = issuer or standing()
    with acting(client, None), bare(client):  # what is tried is all that is sent
        if found is not None:
            yield _trial(found, place)
            return
        with TestIssuer() as own:
            yield _trial(own, place)


def _trial(issuer: Mint, place: _Place) -> _Trial:
    """Every request, one after the other; raises when all were answered."""
    __tracebackhide__ = True
    good, other = (issuer.mint(**place.claims) for _ in range(2))
    first = yield from _proof(place, good)
    faults: list[str] = []
    tried = 0
    for name, token in issuer.bad_tokens(**place.claims).items():
        reply = yield Ask(place.method, place.path, (("Authorization", f"Bearer {token}"),))
        faults += _faults(name, reply, _LONG if len(token) > _LONGER else _BAD, token)
        tried += 1
    for name, what, right in misplaced(
        place.path, place.method, tokens=(good, other), optional=place.optional, taken=issuer.cookies
    ):
        reply = yield what
        faults += _faults(name, reply, right, good)
        tried += 1
    if faults:
        listed = "\n  ".join(faults)
        raise AssertionError(f"{place.method} {place.path}: {len(faults)} of {tried} bad requests:\n  {listed}")
    last = yield from _proof(place, good)
    if last != first:
        raise AssertionError(f"{place.method} {place.path}: a good token was answered {first} at first, and now {last}")


def _proof(place: _Place, token: str) -> Generator[Ask, Reply | Exception | None, int]:
    """The status of the answer to a good token. Raises `AssertionError` where it shows nothing."""
    __tracebackhide__ = True
    reply = yield Ask(place.method, place.path, (("Authorization", f"Bearer {token}"),))
    where = f"{place.method} {place.path}: a good token"
    if reply is None or isinstance(reply, Exception):
        raise AssertionError(f"{where} raised {reply!r}: nothing can be shown here") from reply
    if 300 <= reply.status < 400:
        raise AssertionError(f"{where} was sent to {reply.header('location') or 'nowhere'}: give that path")
    if reply.status in _HINTS or reply.status >= 500:
        code = reply.body[:200].decode(errors="replace")
        hint = _HINTS.get(reply.status, "the application fails")
        raise AssertionError(f"{where} was answered {reply.status}, so nothing can be shown here: {hint} ({code})")
    return reply.status


def _faults(name: str, reply: Reply | Exception | None, right: frozenset[int], token: str) -> Iterator[str]:
    if not isinstance(reply, Reply):
        yield f"{name}: the application raised {type(reply).__name__}"
        return
    if reply.status not in right:
        yield f"{name}: {reply.status} instead of {' or '.join(map(str, sorted(right)))}"
    if reply.status == 401 and not reply.header("www-authenticate").lower().startswith("bearer"):
        yield f"{name}: 401 without WWW-Authenticate: Bearer"
    said = reply.body.decode("latin-1") + "\n" + "\n".join(value for _, value in reply.headers)
    if any(piece in said for piece in (token, *token.split(".")[1:]) if len(piece) >= _TELLING):
        yield f"{name}: the answer quotes the token"
