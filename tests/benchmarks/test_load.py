"""The load generator against a socket that answers as a server does, or hangs up after each answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.load import Job, content_length, run, successor


class Asked:
    """What came in."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0


@asynccontextmanager
async def server(asked: Asked, answer: bytes, *, closing: bool = False) -> AsyncIterator[int]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(content_length(head.lower()))
                asked.requests.append(head + body)
                close = b"Connection: close\r\n" if closing else b""
                writer.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (close, len(answer), answer))
                await writer.drain()
                if closing:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def job(port: int, **chosen: object) -> Job:
    given = {"path": "/r", "bodies": [], "networks": ["10.0.0.1"], "seconds": 0.05, "refreshing": True} | chosen
    return Job(port=port, **given)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_each_request_carries_the_token_of_the_last_answer() -> None:
    asked = Asked()

    async with server(asked, b'{"refresh": "second", "access": "x"}') as port:
        result = await run(job(port, tokens=["first"], template='{"refresh":"TOKEN"}', field="refresh"))

    assert asked.requests[0].endswith(b'{"refresh":"first"}')
    assert all(request.endswith(b'{"refresh":"second"}') for request in asked.requests[1:])
    assert result.tokens == ["second"]
    assert result.statuses == {200: len(asked.requests)}


@pytest.mark.anyio
async def test_a_token_stands_in_headers_too() -> None:
    asked = Asked()

    async with server(asked, b'{"refresh_token":"second"}') as port:
        await run(job(port, tokens=["first"], template="", headers="Authorization: Bearer TOKEN\r\n"))

    assert b"\r\nAuthorization: Bearer first\r\n" in asked.requests[0]
    assert b"\r\nAuthorization: Bearer second\r\n" in asked.requests[1]


@pytest.mark.anyio
async def test_where_a_server_hangs_up_the_next_request_opens_a_new_connection() -> None:
    asked = Asked()

    async with server(asked, b'{"refresh_token":"next"}', closing=True) as port:
        result = await run(job(port, bodies=['{"refresh_token":"first"}']))

    assert asked.connections == len(asked.requests) == result.statuses[200] > 1
    assert len(result.latencies) == len(asked.requests)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"refresh_token":"abc"}', b'"refresh_token":'),
        (b'{"a": 1, "refresh" : "no", "refresh": "abc"}', b'"refresh":'),
    ],
)
def test_the_successor_is_found_without_parsing(body: bytes, field: bytes) -> None:
    assert successor(body, field) == b"abc"
