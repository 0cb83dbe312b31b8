"""A service behind a guard: what the clients of the tests call."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jotgate import Guard
from jotgate.errors import TokenError
from jotgate.wire import bearer
from tests.guard.standin import Scope, Send, served


class Service:
    """Every answer says who asks; `answers` are given instead, one after the other. `seen`: each Authorization."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.url = ""
        self.seen: list[str | None] = []
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        header = dict(scope["headers"]).get(b"authorization")
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append(None if header is None else header.decode())
        self.bodies.append(body)
        status, headers, content = self._answer(header)
        self.statuses.append(status)
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, header: bytes | None) -> tuple[int, dict[str, str], bytes]:
        if self.answers:
            return self.answers.pop(0)
        try:
            who = self.guard.verify(bearer.from_header(header) or "none")
        except TokenError as error:
            answer = self.guard.answer(error)
            return answer.status, dict(answer.headers), answer.body
        return 200, {"content-type": "application/json"}, json.dumps({"sub": who.sub, "roles": [*who.roles]}).encode()


@contextmanager
def service(issuer: str) -> Iterator[Service]:
    """Refuses a token in the very second of its `exp`."""
    guard = Guard(issuer, leeway=0)
    app = Service(guard)
    try:
        with served(app) as app.url:
            yield app
    finally:
        guard.close()


def refusal(code: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A 401 with this code."""
    challenge = {"www-authenticate": 'Bearer realm="api", error="invalid_token"'}
    return 401, {"content-type": "application/json", **challenge, **headers}, json.dumps({"code": code}).encode()
