"""A request to a proxy with an access token, and whether it came through to what is behind it."""

import http.client
import json
import posixpath
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


# The same place by other names, and other places that a careless reader takes for another one.
SPELLINGS = (
    "/managers",
    "/managers/list",
    "//managers/list",
    "/./managers/list",
    "/x/../managers/list",
    "/x/%2e%2e/managers/list",
    "/x/..%2fmanagers/list",
    "/x/..%5cmanagers/list",
    "/%6danagers/list",
    "/%6Danagers/list",
    "/managers%2flist",
    "/managers/..%2fpublic",
    "/managers/%2e%2e/public",
    "/managers/..%2f..%2fpublic",
    "/managers/../managers/list",
    "/%2fmanagers/list",
    "/managers;x=1/list",
    "/managers?x=/public",
    "/managers/list?/../public",
    "/public#/managers",
    "/managers\\..\\public",
)


def opened(port: int, token: str) -> set[str]:
    """The spellings by which the bearer reaches a place of the managers, as the application behind may read it."""
    answers = {path: ask(port, path, token=token) for path in SPELLINGS}
    assert all(said.status in {200, 400, 403, 404} for said in answers.values()), answers
    return {path for path, said in answers.items() if said.status == 200 and _is_managers(said.seen["path"])}


def _is_managers(path: str) -> bool:
    """Whether some server or other takes this decoded path for one below `/managers`."""
    plain = posixpath.normpath(path.replace("\\", "/").replace("//", "/"))
    return any(text.lstrip("/").startswith("managers") for text in (path, plain))
