"""The guard before any WSGI application (PEP 3333).

    app = GuardMiddleware(app, guard, exclude=["/healthz", "/public/*"])

    request                                 answer
    ------------------------------------    ---------------------------------------------------------------------------
    an excluded path                        the application's
    a good token                            the application's; the principal is environ["jotgate.principal"], its
                                            subject is REMOTE_USER
    anything else                           that of `wire.challenge`
    a guard's error before the first chunk  the same; until then the application's own answer is held back

What may be excluded says `openpaths`; a path is what the application sees, without SCRIPT_NAME.

Servers join what a request has twice by a comma. What was two credentials is two again here, and refused as such.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from jotgate.errors import JotgateError, TokenMissing
from jotgate.guard import gate
from jotgate.guard.gate import ANSWERED
from jotgate.guard.guard import Guard
from jotgate.guard.openpaths import open_paths
from jotgate.guard.request import Facts

PRINCIPAL: Final = "jotgate.principal"
log = logging.getLogger("jotgate.guard")

# Where a server may have joined two headers: before another credential, before another cookie's name.
_SEAMS: Final = {
    "authorization": re.compile(r",[ \t]*(?=Bearer(?:[ \t]|\Z))", re.IGNORECASE),
    "cookie": re.compile(r",[ \t]*(?=[^=;, \t]+=)"),
}


class GuardMiddleware:
    """Lets nobody in but who brings a good token."""

    def __init__(self, app: WSGIApplication, guard: Guard, exclude: Iterable[str] = ()) -> None:
        """`exclude`: paths that need no token; one that ends in `/*` stands for all below it."""
        self._app = app
        self._guard = guard
        self._leaves_open = open_paths(exclude)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        if self._leaves_open(_text(environ.get("PATH_INFO", ""))):
            return self._app(environ, start_response)
        try:
            principal = gate.caller(self._guard, facts(environ))
            if principal is None:
                raise TokenMissing  # answered like all the others
        except ANSWERED as error:
            return refuse(self._guard, error, environ, start_response)
        environ[PRINCIPAL] = principal
        environ["REMOTE_USER"] = principal.sub.encode().decode("latin-1")  # as PEP 3333 has all its texts
        return self._serve(environ, start_response)

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = _HeldBack(start_response)

        def refused(error: JotgateError) -> Iterable[bytes]:
            return refuse(self._guard, error, environ, start_response)

        try:
            chunks = self._app(environ, answer.hold)
        except ANSWERED as error:
            if answer.begun:
                raise
            return refused(error)
        if _is_whole(chunks, environ):
            answer.begin()
            return chunks
        return _Chunks(chunks, answer, refused)


def facts(environ: WSGIEnvironment) -> Facts:
    """The request, as a guard sees it."""

    def every(name: str) -> Sequence[str]:
        value = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        if value is None:
            return ()
        seam = _SEAMS.get(name)
        return (value,) if seam is None or "," not in value else seam.split(value)

    return Facts(environ["REQUEST_METHOD"], environ["wsgi.url_scheme"], every)


def refuse(
    guard: Guard, error: JotgateError, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """The answer of `wire.challenge`."""
    answer = guard.answer(error)
    log.info("%d %s: %s", answer.status, error.code, error.detail)
    headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]


class _HeldBack:
    """The beginning of the application's answer: the server gets it with the first chunk."""

    _pass_on: Callable[[bytes], object]

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response = start_response
        self._held: tuple[str, list[tuple[str, str]]] | None = None
        self.begun = False

    def hold(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        """What the application calls in place of the server's own."""
        if self.begun:
            return self._start_response(status, headers, exc_info)  # too late, unless the server knows better
        self._held = (status, headers)
        return self._write

    def begin(self) -> None:
        """Now it cannot be taken back."""
        if not self.begun and self._held is not None:
            self.begun = True
            self._pass_on = self._start_response(*self._held)

    def _write(self, chunk: bytes) -> None:
        self.begin()
        self._pass_on(chunk)


class _Chunks:
    """The chunks of an answer; a guard's error in place of the first one is answered."""

    def __init__(
        self, chunks: Iterable[bytes], answer: _HeldBack, refused: Callable[[JotgateError], Iterable[bytes]]
    ) -> None:
        self._chunks = chunks
        self._answer = answer
        self._refused = refused

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                self._answer.begin()
                yield chunk
            self._answer.begin()
        except ANSWERED as error:
            if self._answer.begun:
                raise
            yield from self._refused(error)

    def close(self) -> None:
        """The server calls it in any case; the application's own may free what the answer held."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


def _is_whole(chunks: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    """Nothing more of the application runs; the server may know a shorter way to send it."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(chunks, list | tuple) or (isinstance(wrapper, type) and isinstance(chunks, wrapper))


def _text(path: str) -> str:
    """PATH_INFO holds the bytes of the path as latin-1; what is no UTF-8 equals no path that anybody wrote."""
    return path if path.isascii() else path.encode("latin-1").decode(errors="surrogateescape")
