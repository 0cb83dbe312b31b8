"""`auth=TokenAuth(session)` for httpx2 and httpx, sync and async clients (RFC 6750 section 2.1).

    answer                                           what happens
    ---------------------------------------------    -------------------------------------------------------------
    anything but a 401                               it is given to the caller
    401 to a request without our token, also since   the same
    a redirect led elsewhere
    401 that another token may help against          renewed, and sent once more: never a third time
    the same, the body was a stream                  renewed for the next request; the 401 is given to the caller

httpx2 and httpx each ask for a class of their own: this one is both, as far as they are installed.
"""

from collections.abc import AsyncGenerator, Generator, Iterable
from importlib import import_module
from typing import Any

from jotgate.client.origins import Reach
from jotgate.client.session import ClientSession
from jotgate.errors import Misuse


def _classes() -> tuple[Any, ...]:
    found = []
    for name in ("httpx2", "httpx"):
        try:
            found.append(import_module(name).Auth)
        except ImportError:
            continue
    return tuple(found)


_CLASSES = _classes()
_Auth: Any = type("_Auth", _CLASSES, {})


class TokenAuth(_Auth):  # type: ignore[misc]  # what it is made of depends on what is installed
    """Sends the session's token, and renews it. Safe for tasks, threads and several clients."""

    def __init__(self, session: ClientSession, *, only: str | Iterable[str] | None = None) -> None:
        """`only`: the origins that get the token; by default all that the client calls over https or on loopback."""
        if not _CLASSES:
            raise Misuse("TokenAuth needs httpx2 or httpx: pip install 'jotgate[client]'")
        self._session = session
        self._reach = Reach(only)

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """What a sync client asks for."""
        if not self._reach.covers(str(request.url)):
            yield request
            return
        token = self._session.token()
        response = yield _bearing(request, token)
        if _refused(response, token):
            response.read()
            if self._once_more(request, response, token):
                yield _bearing(request, self._session.renew(token))

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """What an async client asks for."""
        if not self._reach.covers(str(request.url)):
            yield request
            return
        token = await self._session.atoken()
        response = yield _bearing(request, token)
        if _refused(response, token):
            await response.aread()
            if self._once_more(request, response, token):
                yield _bearing(request, await self._session.arenew(token))

    def _once_more(self, request: Any, response: Any, token: str) -> bool:
        """Whether to send the request again; where another token may help, its renewal has begun."""
        if not self._session.renewable(token, response.headers.get("WWW-Authenticate", ""), response.content):
            return False
        self._session.renewal(token)
        return _is_repeatable(request)


def _bearing(request: Any, token: str) -> Any:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _refused(response: Any, token: str) -> bool:
    """Whether this token was refused: the client takes it away where a redirect leads to another origin."""
    return bool(response.status_code == 401 and response.request.headers.get("Authorization") == f"Bearer {token}")


def _is_repeatable(request: Any) -> bool:
    """Whether the body is in memory; a stream is at its end now."""
    try:
        request.content  # noqa: B018  # it is a property that complains
    except RuntimeError:  # RequestNotRead, of either library
        return False
    return True
