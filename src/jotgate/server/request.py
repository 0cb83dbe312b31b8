"""One request, read with limits: headers, query, and a body of at most 64 KiB.

    body                                          answer
    ----                                          ------
    over 64 KiB, announced or found               413 body_too_large
    not here after 30 s                           408 body_late
    another content type than asked for           415 content_type
    not strict UTF-8 JSON, a name twice           400 json_malformed
    a field missing or of the wrong type          422 invalid_field, the field named
    unknown fields                                ignored

An error tells the names of fields and the kinds of values, never a value.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope

from jotgate.core.model import Origin
from jotgate.errors import BadRequest, BodyLate, BodyTooLarge, ContentTypeRefused, Invalid, JsonMalformed, Malformed
from jotgate.guard.principal import Principal
from jotgate.jose import strictjson
from jotgate.server.patience import within

MAX_BODY = 65536
_BODY_SECONDS = 30
_DEVICE_LENGTH = 200
_MAX_FIELDS = 32
_FIELD = re.compile(r"required field `(\w+)`|at `\$\.(\w+)")
Body = TypeVar("Body", bound=msgspec.Struct)


class Disconnected(Exception):  # noqa: N818  # nothing failed: nobody is left to answer
    """The client went away before its request was complete."""


class Request:
    """What an endpoint is given. `path` is ours, without the mount point, which is `base`."""

    __slots__ = ("_receive", "_repeats", "address", "base", "fields", "path", "principal", "scope", "target")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = scope["headers"]
        self.scope = scope
        self.fields: dict[bytes, bytes] = dict(headers)
        self.address = ""  # as far as we believe it
        self.base: str = scope.get("root_path", "")
        self.path: str = scope["path"]
        if self.base and self.path.startswith(self.base + "/"):
            self.path = self.path[len(self.base) :]
        self.target = ""  # what stands at the `{...}` of the route
        self.principal: Principal | None = None
        self._receive = receive
        self._repeats = len(self.fields) != len(headers)

    @property
    def who(self) -> Principal:
        """The caller of a route that is not for anybody."""
        assert self.principal is not None
        return self.principal

    @property
    def method(self) -> str:
        """In capitals, as HTTP has it."""
        method: str = self.scope["method"]
        return method

    def every(self, name: bytes) -> list[str]:
        """All values of a header, in their order."""
        if not self._repeats:
            value = self.fields.get(name)
            return [] if value is None else [value.decode("latin-1")]
        return [value.decode("latin-1") for key, value in self.scope["headers"] if key == name]

    def header(self, name: bytes) -> str | None:
        """The value of a header that may stand once. Raises `BadRequest` when it stands twice."""
        values = self.every(name)
        if len(values) > 1:
            raise BadRequest(f"the header {name.decode()} is repeated")
        return values[0] if values else None

    def cookies(self) -> str | None:
        """The cookie header; HTTP/2 may send it in crumbs (RFC 9113 section 8.2.3)."""
        return "; ".join(self.every(b"cookie")) or None

    def query(self) -> dict[str, str]:
        """The query string. Raises `BadRequest` for a name twice or what is not UTF-8."""
        return dict(_pairs(self.scope["query_string"]))

    def pairs(self, *, repeated: Collection[str]) -> list[tuple[str, str]]:
        """The same where some names may be repeated."""
        return _pairs(self.scope["query_string"], repeated)

    def origin(self) -> Origin:
        """Where the request comes from, for the session and the audit."""
        device = self.fields.get(b"user-agent", b"").decode("latin-1")
        return Origin(address=self.address, device=device[:_DEVICE_LENGTH] if device.isprintable() else "")

    async def json(self, shape: type[Body]) -> Body:
        """The body as JSON of this shape."""
        body = await self._body()
        if body:
            self._expect(b"application/json")
        return decode(body, shape)

    async def json_if_any(self, shape: type[Body]) -> Body:
        """The same, where the body may be left out."""
        body = await self._body()
        if not body:
            return shape()
        self._expect(b"application/json")
        return decode(body, shape)

    async def form(self) -> dict[str, str]:
        """The body as an HTML form without files."""
        body = await self._body()
        self._expect(b"application/x-www-form-urlencoded")
        return dict(_pairs(body))

    def is_form(self) -> bool:
        """Whether the body says that it is a form."""
        return self.fields.get(b"content-type", b"").lower().startswith(b"application/x-www-form-urlencoded")

    async def gone(self) -> None:
        """Return when the client has gone away (the body is read by then)."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _expect(self, media_type: bytes) -> None:
        value = self.fields.get(b"content-type", b"")
        if value == media_type and not self._repeats:  # what nearly everybody sends
            return
        values = self.every(b"content-type")
        kind, _, parameters = (values[0] if len(values) == 1 else "").partition(";")
        utf8 = parameters.replace('"', "").strip().lower() in {"", "charset=utf-8", "charset=utf8"}
        if kind.strip().lower().encode() != media_type or not utf8:
            raise ContentTypeRefused(f"{media_type.decode()} is read here")

    async def _body(self) -> bytes:
        announced = self.fields.get(b"content-length", b"")
        if len(announced) > 5 or (announced.isdigit() and int(announced) > MAX_BODY):
            raise BodyTooLarge
        try:
            return await within(self._read(), _BODY_SECONDS)
        except TimeoutError as error:
            raise BodyLate from error

    async def _read(self) -> bytes:
        body = b""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                raise BodyTooLarge
            more = message.get("more_body", False)
        return body


def decode(body: bytes, shape: type[Body]) -> Body:
    """Strict JSON of this shape. Raises `JsonMalformed`, `Invalid`."""
    try:
        members = strictjson.loads(body, max_bytes=MAX_BODY)
    except Malformed as error:
        raise JsonMalformed(error.detail) from None
    return shaped(members, shape)


def shaped(members: Mapping[str, Any], shape: type[Body]) -> Body:
    """These members as a value of this shape. Raises `Invalid`."""
    try:
        return msgspec.convert(members, shape)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _invalid(complaint: str) -> Invalid:
    """What msgspec complains of: kinds and paths, never values."""
    place = _FIELD.search(complaint)
    field = (place[1] or place[2]) if place else ""
    what = "is missing" if place and place[1] else complaint.partition(" - at ")[0].lower()
    return Invalid(f"{field}: {what}" if field else what, field=field)


def _pairs(text: bytes, repeated: Collection[str] = ()) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadRequest("the form or query is not well-formed") from None
    once = [name for name, _ in pairs if name not in repeated]
    if len(set(once)) != len(once):
        raise BadRequest("a name stands twice in the form or query")
    return pairs
