"""What an endpoint gives back, and how it goes out."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.types import Send

from jotgate.errors import JotgateError
from jotgate.server.headers import NO_STORE, Header
from jotgate.wire import challenge

REALM = "jotgate"

JSON: Header = (b"content-type", b"application/json")
_HTML: Header = (b"content-type", b"text/html; charset=utf-8")
_TEXT: Header = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_PRIVATE = (JSON, NO_STORE)
_encode = msgspec.json.Encoder().encode


class Reply(msgspec.Struct, frozen=True):
    """An answer before the headers that every answer has; `style` is the hash of a page's style sheet."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = _PRIVATE
    style: str | None = None
    code: str = ""  # of the error, for the log and the figures
    detail: str = ""  # for the log alone


NO_CONTENT = Reply(204, headers=(NO_STORE,))


def ok(answer: Any, *, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """JSON that nobody may keep."""
    return Reply(status, _encode(answer), (*_PRIVATE, *headers))


def private(body: bytes) -> Reply:
    """JSON that is encoded already."""
    return Reply(200, body)


def text(body: bytes) -> Reply:
    """Plain text that nobody may keep."""
    return Reply(200, body, (_TEXT, NO_STORE))


def no_content(headers: tuple[Header, ...]) -> Reply:
    """204 with more headers, cookies say."""
    return Reply(204, headers=(NO_STORE, *headers))


def public(body: bytes, *, seconds: int, kind: Header = JSON, headers: tuple[Header, ...] = ()) -> Reply:
    """What anybody may keep for a while; `kind` is the content type."""
    return Reply(200, body, (kind, (b"cache-control", b"public, max-age=%d" % seconds), *headers))


def refusal(error: JotgateError, headers: tuple[Header, ...] = ()) -> Reply:
    """The one place where an error becomes an answer."""
    answer = challenge.answer(error, realm=REALM)
    told = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers)
    return Reply(answer.status, answer.body, (*told, *headers), code=error.code, detail=error.detail)


def page(html: str, *, style: str, status: int = 200, code: str = "") -> Reply:
    """An HTML page that nobody may keep."""
    return Reply(status, html.encode(), (_HTML, NO_STORE), style, code)


def see_other(location: str) -> Reply:
    """303: after a form, go and get this."""
    return Reply(303, headers=(NO_STORE, (b"location", location.encode("ascii"))))


async def deliver(reply: Reply, send: Send, headers: Sequence[Header], *, head: bool = False) -> None:
    """Two ASGI messages; the answer to HEAD has the length of what GET would have sent (RFC 9110 section 9.3.2)."""
    length = () if reply.status in {204, 304} else ((b"content-length", b"%d" % len(reply.body)),)
    await send(
        {"type": "http.response.start", "status": reply.status, "headers": [*length, *reply.headers, *headers]},
    )
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
