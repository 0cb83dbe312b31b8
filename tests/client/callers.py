"""Every kind of client that can carry a session, called in the same way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
import httpx2
import requests

from jotgate.client import ClientSession
from jotgate.client.aiohttp import bearer
from jotgate.client.auth import TokenAuth
from jotgate.client.requests import RequestsAuth


@dataclass(frozen=True)
class Ask:
    """What is asked; a `stream` is a body that can be sent once."""

    method: str
    url: str
    body: bytes | None = None
    stream: bool = False
    only: Sequence[str] | None = None
    times: int = 1


def pieces(body: bytes) -> Iterator[bytes]:
    yield body[:2]
    yield body[2:]


async def later(body: bytes) -> AsyncIterator[bytes]:
    for piece in pieces(body):
        yield piece


def _httpx(library: Any) -> Callable[[ClientSession, Ask], list[int]]:
    def call(session: ClientSession, ask: Ask) -> list[int]:
        def content() -> Any:
            return pieces(ask.body or b"") if ask.stream else ask.body

        with library.Client(auth=TokenAuth(session, only=ask.only), follow_redirects=True) as client:
            return [client.request(ask.method, ask.url, content=content()).status_code for _ in range(ask.times)]

    return call


def _async_httpx(library: Any) -> Callable[[ClientSession, Ask], list[int]]:
    async def calls(session: ClientSession, ask: Ask) -> list[int]:
        def content() -> Any:
            return later(ask.body or b"") if ask.stream else ask.body

        async with library.AsyncClient(auth=TokenAuth(session, only=ask.only), follow_redirects=True) as client:
            return [
                (await client.request(ask.method, ask.url, content=content())).status_code for _ in range(ask.times)
            ]

    return lambda session, ask: asyncio.run(calls(session, ask))


def _requests(session: ClientSession, ask: Ask) -> list[int]:
    def data() -> Any:
        return pieces(ask.body or b"") if ask.stream else ask.body

    with requests.Session() as client:
        client.auth = RequestsAuth(session, only=ask.only)
        return [client.request(ask.method, ask.url, data=data(), timeout=10).status_code for _ in range(ask.times)]


def _aiohttp(session: ClientSession, ask: Ask) -> list[int]:
    async def calls() -> list[int]:
        def data() -> Any:
            return later(ask.body or b"") if ask.stream else ask.body

        only = ["/".join(ask.url.split("/")[:3])] if ask.only is None else ask.only
        async with aiohttp.ClientSession(middlewares=[bearer(session, only=only)]) as client:
            found = []
            for _ in range(ask.times):
                async with client.request(ask.method, ask.url, data=data()) as response:
                    found.append(response.status)
            return found

    return asyncio.run(calls())


CALLERS: dict[str, Callable[[ClientSession, Ask], list[int]]] = {
    "httpx2": _httpx(httpx2),
    "httpx2-async": _async_httpx(httpx2),
    "httpx": _httpx(httpx),
    "httpx-async": _async_httpx(httpx),
    "requests": _requests,
    "aiohttp": _aiohttp,
}
