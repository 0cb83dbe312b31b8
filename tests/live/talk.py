"""Talking HTTP to a process: plainly in a thread, or many connections at once; no library's conveniences in between."""

import asyncio
import contextlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


class NoAnswerError(Exception):
    """No answer: refused, reset, cut short or too late."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def bearer(token: str) -> dict[str, str]:
    """The header that carries an access token."""
    return {"Authorization": f"Bearer {token}"}


class Api:
    """One keep-alive connection for one thread."""

    def __init__(self, port: int, *, timeout: float = 10.0) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, body, headers=headers)

    def request(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises `NoAnswerError`; the next request opens a new connection."""
        sent = {"Content-Type": "application/json", **(headers or {})} if body is not None else dict(headers or {})
        try:
            self.connection.request(method, path, None if body is None else json.dumps(body).encode(), sent)
            answer = self.connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise NoAnswerError(repr(error)) from error

    # --- the steps that every flow begins with

    def register(self, email: str, password: str) -> str:
        """A new user; gives the id."""
        answer = self.post("/auth/register", {"email": email, "password": password})
        assert answer.status == 201, answer
        return str(answer.json.get("id") or answer.json["sub"])

    def login(self, email: str, password: str, *, headers: Mapping[str, str] | None = None) -> Any:
        """The token answer."""
        answer = self.post("/auth/login", {"email": email, "password": password}, headers=headers)
        assert answer.status == 200, answer
        return answer.json


class Line:
    """One keep-alive connection among many in an event loop."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: Any, *, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("POST", path, body, headers=headers)

    async def request(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Raises `NoAnswerError`; the next request opens a new connection."""
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(content)), **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        try:
            reader, writer = await self._open()
            writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
            return await read_answer(reader)
        except (OSError, EOFError, ValueError) as error:
            await self.close()
            raise NoAnswerError(repr(error)) from error
        except asyncio.CancelledError:  # the answer may be on its way: nobody can use this connection any more
            self._hang_up()
            raise

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self.reader, self.writer

    async def close(self) -> None:
        """Hang up."""
        writer = self._hang_up()
        if writer is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _hang_up(self) -> asyncio.StreamWriter | None:
        writer, self.reader, self.writer = self.writer, None, None
        if writer is not None:
            writer.close()
        return writer


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """One answer with a length; raises `EOFError` (incomplete) or `ValueError`."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, await reader.readexactly(int(headers.get("content-length", "0"))))
