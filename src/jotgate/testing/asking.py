"""Asking an application through whatever client its tests use: one request out, one reply back.

    client                                                           is asked by
    ------------------------------------------------------------    -----------------------------------------
    the address of a server, as text                                 `http.client`
    Django, Django REST framework                                    `generic(method, path, headers=...)`
    Flask, Werkzeug, Quart                                           `open(path, method=..., headers=...)`
    httpx, httpx2, Starlette, FastAPI, Litestar, requests, aiohttp   `request(method, path, headers=...)`
    a function                                                       (method, path, headers) -> (status, headers, body)

Clients are known by what they have: no framework is imported. Redirects are not followed.
"""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

Pairs = Sequence[tuple[str, str]]
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A request without a body."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; the headers' names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """All values of one header, joined."""
        return ", ".join(value for key, value in self.headers if key == name)


class WrongClientError(TypeError):
    """The test is wrong, not the application."""


def ask(client: Any, what: Ask) -> Reply:
    """Through a client that answers at once. Raises `WrongClientError` for one that has to be awaited."""
    answer = _sent(client, what)
    if inspect.isawaitable(answer):
        getattr(answer, "close", lambda: None)()  # it is never awaited
        raise WrongClientError("this client has to be awaited: await assert_refuses_bad_tokens_async(...)")
    return _reply(answer, _body(answer))


async def ask_async(client: Any, what: Ask) -> Reply:
    """Through any client."""
    answer = _sent(client, what)
    if inspect.isawaitable(answer):
        answer = await answer
    body = _body(answer)
    return _reply(answer, await body if inspect.isawaitable(body) else body)


@contextmanager
def bare(client: Any) -> Iterator[None]:
    """Werkzeug's client, and so Flask's, sends its own jar instead of a Cookie header: within the block it has none."""
    jar = getattr(client, "_cookies", None)
    if not (isinstance(jar, dict) and callable(getattr(client, "open", None))):
        yield
        return
    client._cookies = None  # noqa: SLF001  # as `use_cookies=False` does
    try:
        yield
    finally:
        client._cookies = jar  # noqa: SLF001


def _sent(client: Any, what: Ask) -> Any:
    """The client's own answer, or what gives it when it is awaited."""
    if isinstance(client, str):
        return _over_a_socket(client, what)
    if callable(getattr(client, "generic", None)):
        return client.generic(what.method, what.path, headers=_joined(what.headers))
    if callable(getattr(client, "open", None)):
        return client.open(what.path, method=what.method, headers=list(what.headers))
    if callable(getattr(client, "request", None)):
        return client.request(what.method, what.path, **_headers_for(client, what.headers))
    if callable(client):
        return client(what.method, what.path, list(what.headers))
    raise WrongClientError(f"{type(client).__name__} is no client that is known here: pass a function")


def _headers_for(client: Any, headers: Pairs) -> Mapping[str, Any]:
    names = inspect.signature(client.request).parameters
    if "follow_redirects" in names:  # httpx and all that is made of it
        # httpx's own WSGI drops what is there twice, where a server would join it (RFC 3875 section 4.1.18)
        is_wsgi = type(getattr(client, "_transport", None)).__name__ == "WSGITransport"
        return {"headers": _joined(headers) if is_wsgi else list(headers), "follow_redirects": False}
    return {"headers": _joined(headers), "allow_redirects": False}


def _joined(headers: Pairs) -> dict[str, str]:
    """RFC 9110 section 5.2: what is there twice is one list, for whoever has one place for it."""
    found = defaultdict[str, list[str]](list)
    for name, value in headers:
        found[name].append(value)
    return {name: ", ".join(values) for name, values in found.items()}


def _over_a_socket(address: str, what: Ask) -> tuple[int, Pairs, bytes]:
    url = urlsplit(address)
    kind: Callable[..., HTTPConnection] = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname, url.port, timeout=_SECONDS)
    try:
        connection.putrequest(what.method, url.path.rstrip("/") + what.path)
        for name, value in what.headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


# --- what came back


def _body(answer: Any) -> Any:
    """Bytes, or what gives them when it is awaited."""
    if isinstance(answer, tuple):
        return answer[2]
    if isinstance(getattr(answer, "content", None), bytes):
        return answer.content
    if callable(getattr(answer, "get_data", None)):
        return answer.get_data(as_text=False)
    if getattr(answer, "streaming", False):
        return b"".join(answer)
    return answer.read()


def _reply(answer: Any, body: bytes) -> Reply:
    if isinstance(answer, tuple):
        status, headers, _ = answer
        pairs = headers.items() if isinstance(headers, Mapping) else headers
    else:
        status = getattr(answer, "status_code", None) or answer.status
        pairs = answer.headers.multi_items() if hasattr(answer.headers, "multi_items") else answer.headers.items()
    return Reply(int(status), tuple((str(name).lower(), str(value)) for name, value in pairs), body)
