"""A request to a proxy with an access token, and whether it came through to what is behind it."""

import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Said:
    """The answer of the proxy, or of what is behind it: then `seen` is the request that arrived there."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def seen(self) -> Any:
        assert self.status == 200, self
        return json.loads(self.body)


def ask(
    port: int,
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    *,
    token: str | None = None,
    method: str = "GET",
    body: str = "",
) -> Said:
    """One request on a connection of its own, its header names as they are given."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if token is not None:
            connection.putheader("Authorization", f"Bearer {token}")
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode() or None)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Said(answer.status, told, answer.read())
    finally:
        connection.close()


def passing(port: int, path: str, tokens: Mapping[str, str]) -> set[str]:
    """The names of those that come through; all others are refused with a status that says so."""
    answers = {name: ask(port, path, token=token).status for name, token in tokens.items()}
    odd = {name: status for name, status in answers.items() if status not in {200, 400, 401, 403, 431}}
    assert not odd
    return {name for name, status in answers.items() if status == 200}
