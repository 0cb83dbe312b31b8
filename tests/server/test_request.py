"""Requests are read strictly, and complaints name fields and kinds, never values."""

import asyncio

import msgspec
import pytest
from starlette.types import Message

from jotgate.errors import BadRequest, BodyLate, BodyTooLarge, ContentTypeRefused, Invalid, JsonMalformed
from jotgate.server import request as request_module
from jotgate.server.request import MAX_BODY, Disconnected, Request, decode
from jotgate.server.schemas import LoginBody, RefreshBody

pytestmark = pytest.mark.anyio


def _request(*chunks: bytes, headers: list[tuple[bytes, bytes]] | None = None, query: bytes = b"") -> Request:
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": at < len(chunks)} for at, chunk in enumerate(chunks, 1)
    ]
    json = [(b"content-type", b"application/json")]
    scope = {"type": "http", "path": "/", "headers": json if headers is None else headers, "query_string": query}

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return Request(scope, receive)


class Flat(msgspec.Struct):
    name: str
    count: int = 0


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        (b"{}", "name", "name: is missing"),
        (b'{"name": 7}', "name", "name: expected `str`, got `int`"),
        (b'{"name": null}', "name", "name: expected `str`, got `null`"),
        (b'{"name": "x", "count": "secret-value"}', "count", "count: expected `int`, got `str`"),
        (b'{"name": "x", "count": 1.5}', "count", "count: expected `int`, got `float`"),
        (b'{"name": "x", "count": true}', "count", "count: expected `int`, got `bool`"),
        (b'{"name": ["secret-value"]}', "name", "name: expected `str`, got `array`"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not(body: bytes, field: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(body, Flat)

    assert caught.value.field == field
    assert caught.value.detail == told
    assert "secret" not in caught.value.detail


def test_a_wrong_field_deep_inside_is_named_by_where_it_begins() -> None:
    with pytest.raises(Invalid) as caught:
        decode(b'{"password": "x", "audience": ["a", 7]}', LoginBody)

    assert caught.value.field == "audience"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'"text"',
        b"null",
        b'{"name": "x"',
        b'{"name": "x"} {}',
        b'{"name": "x", "name": "y"}',
        b'{"name": "x", "n\\u0061me": "y"}',
        b'{"name": "x", "other": {"a": 1, "a": 2}}',
        b'\xef\xbb\xbf{"name": "x"}',
        '{"name": "x"}'.encode("utf-16"),
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": "x", "count": NaN}',
        b'{"name": "x", "deep": ' + b"[" * 17 + b"]" * 17 + b"}",
        b"[" * 60_000,
    ],
)
def test_what_is_not_one_strict_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(JsonMalformed):
        decode(body, Flat)


def test_fields_that_are_not_known_are_ignored() -> None:
    assert decode(b'{"name": "x", "roles": ["admin"]}', Flat) == Flat("x")


async def test_a_body_may_come_in_pieces() -> None:
    body = await _request(b'{"refresh', b"_token", b'": "x"}').json(RefreshBody)

    assert body.refresh_token == "x"


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not() -> None:
    padded = b'{"refresh_token": "x", "pad": "' + b"p" * (MAX_BODY - 33) + b'"}'
    assert len(padded) == MAX_BODY

    assert (await _request(padded).json(RefreshBody)).refresh_token == "x"
    with pytest.raises(BodyTooLarge):
        await _request(padded + b" ").json(RefreshBody)
    with pytest.raises(BodyTooLarge):
        await _request(padded, b" ").json(RefreshBody)


@pytest.mark.parametrize("length", [b"65537", b"99999999999999999999", b"100000"])
async def test_a_body_that_is_announced_too_large_is_not_even_read(length: bytes) -> None:
    request = _request(b"{}", headers=[(b"content-length", length)])

    with pytest.raises(BodyTooLarge):
        await request.json(RefreshBody)


async def test_a_client_that_goes_away_leaves_nobody_to_answer() -> None:
    with pytest.raises(Disconnected):
        await _request().json(RefreshBody)


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_module, "_BODY_SECONDS", 0)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(BodyLate):
        await Request({"type": "http", "path": "/", "headers": []}, receive).json(RefreshBody)


@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"application/json; charset=utf-8",
        b'Application/JSON;charset="UTF-8"',
        b"application/json ; charset=utf8",
        b"application/json;",
    ],
)
async def test_json_in_utf_8_is_read_however_it_is_spelt(value: bytes) -> None:
    request = _request(b'{"refresh_token": "x"}', headers=[(b"content-type", value)])

    assert (await request.json(RefreshBody)).refresh_token == "x"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"")],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/jsonp")],
        [(b"content-type", b"application/json; charset=latin-1")],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"application/json"), (b"content-type", b"application/json")],
    ],
)
async def test_any_other_content_type_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(ContentTypeRefused):
        await _request(b"{}", headers=headers).json(RefreshBody)


async def test_where_a_body_may_be_left_out_nothing_is_no_body() -> None:
    assert await _request(b"", headers=[]).json_if_any(RefreshBody) == RefreshBody()


def test_a_header_that_stands_twice_is_refused_where_one_is_asked_for() -> None:
    request = _request(headers=[(b"origin", b"a"), (b"origin", b"b"), (b"host", b"h")])

    with pytest.raises(BadRequest):
        request.header(b"origin")
    assert request.every(b"origin") == ["a", "b"]
    assert request.header(b"host") == "h"
    assert request.header(b"other") is None


def test_crumbs_of_cookies_are_one_cookie_header() -> None:
    request = _request(headers=[(b"cookie", b"a=1"), (b"cookie", b"b=2")])

    assert request.cookies() == "a=1; b=2"
    assert _request(headers=[]).cookies() is None


@pytest.mark.parametrize("query", [b"a=1&a=2", b"a=%ff", b"a=\xff", b"&".join(b"n%d=1" % at for at in range(40))])
def test_a_query_with_a_name_twice_or_no_text_is_refused(query: bytes) -> None:
    with pytest.raises(BadRequest):
        _request(query=query).query()


def test_a_query_keeps_what_is_empty() -> None:
    assert _request(query=b"done&after=x%20y").query() == {"done": "", "after": "x y"}


@pytest.mark.parametrize(
    ("agent", "device"),
    [(b"Firefox/150", "Firefox/150"), (b"", ""), (b"x" * 500, "x" * 200), (b"bad\x00agent", ""), (b"line\x85feed", "")],
)
def test_the_device_is_what_the_client_says_in_visible_characters(agent: bytes, device: str) -> None:
    assert _request(headers=[(b"user-agent", agent)]).origin().device == device


@pytest.mark.parametrize(
    ("root", "path", "base", "ours"),
    [
        ("", "/auth/login", "", "/auth/login"),
        ("/id", "/id/auth/login", "/id", "/auth/login"),
        ("/id", "/identity", "/id", "/identity"),
        ("/id", "/auth/login", "/id", "/auth/login"),  # a server that strips it itself
    ],
)
def test_the_path_that_counts_is_the_one_below_the_mount_point(root: str, path: str, base: str, ours: str) -> None:
    scope = {"type": "http", "root_path": root, "path": path, "headers": []}
    request = Request(scope, lambda: None)  # type: ignore[arg-type, return-value]

    assert (request.base, request.path) == (base, ours)
