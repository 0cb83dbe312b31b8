"""Acting as somebody: a test client sends a token with every request, whatever framework it comes from.

    client                                                           where its own headers stand
    ------------------------------------------------------------    ------------------------------------
    httpx, httpx2, Starlette, FastAPI, Litestar, requests, aiohttp   `headers`
    aiohttp's test client                                            `session.headers`
    Flask                                                            `environ_base`
    Django, Django REST framework, also Django's async client        `defaults`
    Quart, Werkzeug                                                  nowhere: its `open` is led by the hand

Clients are known by what they have, not by their class: no framework is imported. A client's own credentials
(`auth`, `APIClient.credentials`) step back meanwhile.
"""

import inspect
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

_NAME = "Authorization"
_Headers = MutableMapping[str, Any]


class Acting(AbstractContextManager[Any]):
    """From the beginning to `end`, or to the end of a `with`; there the client is what it was before.

    What was begun later for the same client ends with it: nobody puts back what is over.
    """

    def __init__(self, client: Any, value: str | None, begun_before: "list[Acting] | None" = None) -> None:
        """`begun_before`: where all that was begun stands, in order; this one too."""
        self._all = [] if begun_before is None else begun_before
        self.client = client
        with ExitStack() as begun:  # a client that is half dressed is undressed again
            for change in _changes(client, value):
                begun.enter_context(change)
            self.changes = begun.pop_all()
        self._all.append(self)

    def __enter__(self) -> Any:
        """The client."""
        return self.client

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Calling twice is fine."""
        if self not in self._all:
            return
        for later in reversed(self._all[self._all.index(self) :]):
            if later.client is self.client:
                self._all.remove(later)
                later.changes.close()


def acting(client: Any, value: str | None, begun_before: list[Acting] | None = None) -> Acting:
    """Let it send this Authorization header, or none by itself. Raises `TypeError` for what is no client."""
    return Acting(client, value, begun_before)


def _changes(client: Any, value: str | None) -> Iterator[AbstractContextManager[None]]:
    if isinstance(getattr(client, "_credentials", None), dict):  # Django REST framework: these would win
        yield _entry(client._credentials, "HTTP_AUTHORIZATION", None)  # noqa: SLF001  # it can only be set as a whole
    if getattr(client, "auth", None) is not None:
        yield _attribute(client, "auth", None)
    yield _where(client, value)


def _where(client: Any, value: str | None) -> AbstractContextManager[None]:
    if isinstance(getattr(client, "environ_base", None), MutableMapping):
        return _entry(client.environ_base, "HTTP_AUTHORIZATION", value)
    if isinstance(getattr(client, "defaults", None), MutableMapping):
        is_async = inspect.iscoroutinefunction(getattr(client, "request", None))
        return _entry(client.defaults, "AUTHORIZATION" if is_async else "HTTP_AUTHORIZATION", value)
    if isinstance(getattr(client, "headers", None), MutableMapping):
        return _entry(client.headers, _NAME, value)
    if callable(getattr(client, "open", None)):
        return _led(client, value)
    session = getattr(client, "session", None)  # never asked of Django's client, which would make one
    if isinstance(getattr(session, "headers", None), MutableMapping):
        return _entry(session.headers, _NAME, value)  # type: ignore[union-attr]  # it has them
    if isinstance(client, str) or (inspect.isfunction(client) and value is None):
        return nullcontext()  # an address or a function has no headers of its own
    raise TypeError(f"{type(client).__name__} is no test client that is known here: pass headers=auth_headers(...)")


@contextmanager
def _entry(place: _Headers, name: str, value: str | None) -> Iterator[None]:
    before = place.get(name)
    _put(place, name, value)
    try:
        yield
    finally:
        _put(place, name, before)


def _put(place: _Headers, name: str, value: Any) -> None:
    if value is not None:
        place[name] = value
    elif name in place:
        del place[name]


@contextmanager
def _attribute(client: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(client, name)
    setattr(client, name, value)
    try:
        yield
    finally:
        setattr(client, name, before)


@contextmanager
def _led(client: Any, value: str | None) -> Iterator[None]:
    """The methods that take headers, with one more."""
    before = {name: vars(client).get(name) for name in ("open", "request", "websocket")}
    for name in before:
        method = getattr(type(client), name, None)
        if method is not None:
            setattr(client, name, _with_header(method.__get__(client), value))
    try:
        yield
    finally:
        for name, own in before.items():
            _put(vars(client), name, own)


def _with_header(method: Callable[..., Any], value: str | None) -> Callable[..., Any]:
    def led(*arguments: Any, headers: Any = None, **options: Any) -> Any:
        given = headers.items() if hasattr(headers, "items") else headers or ()
        pairs = [(str(name), text) for name, text in given]
        if value is not None and all(name.lower() != "authorization" for name, _ in pairs):
            pairs.append((_NAME, value))
        return method(*arguments, headers=pairs, **options)

    return led
