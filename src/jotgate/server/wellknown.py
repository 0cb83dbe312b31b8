"""What anybody may read: keys, metadata, health, figures, OpenAPI."""

import hashlib
from functools import cache
from typing import Any

from jotgate.errors import Unavailable
from jotgate.jose import strictjson
from jotgate.server.gate import Gate
from jotgate.server.headers import Header
from jotgate.server.reply import JSON, Reply, ok, public, text
from jotgate.server.request import Request
from jotgate.server.schemas import StatusAnswer
from jotgate.store import migrate
from jotgate.store.ports import Dialect

KEYS_SECONDS = 300  # a key is published for longer than this before it signs
_METADATA_SECONDS = 3600
_ALIVE = ok(StatusAnswer("ok"))
_READY = ok(StatusAnswer("ready"))


async def jwks(gate: Gate, request: Request) -> Reply:
    """GET /.well-known/jwks.json (RFC 7517 section 5); under HS256 it is empty, for a secret is not published."""
    body = strictjson.dumps(gate.env.keyring.current.public.export())
    return cached(request, body, seconds=KEYS_SECONDS)


async def metadata(gate: Gate, request: Request) -> Reply:
    """GET /.well-known/oauth-authorization-server (RFC 8414): what exists, so no token endpoint yet."""
    issuer = gate.policy.issuer
    document: dict[str, Any] = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": [],  # REQUIRED by section 2, and there is no authorization endpoint yet
        "grant_types_supported": [],  # left out, it would mean two that we do not have
    }
    return cached(request, strictjson.dumps(document), seconds=_METADATA_SECONDS)


async def healthz(_gate: Gate, _request: Request) -> Reply:
    """GET /healthz: the process answers. No input or output."""
    return _ALIVE


async def readyz(gate: Gate, _request: Request) -> Reply:
    """GET /readyz: the database answers, the migrations are done, the keys are there, and we are not about to stop."""
    if gate.draining:
        raise Unavailable("about to stop")
    await gate.env.store.version()
    if (
        not await migrate.check(gate.env.store, known=_schema(gate.env.store.dialect))
        or gate.env.keyring.loaded_version is None
    ):
        raise Unavailable("migrations or keys are missing")
    return _READY


async def metrics(gate: Gate, _request: Request) -> Reply:
    """GET /metrics for Prometheus."""
    return text(gate.meters.text())


async def openapi(gate: Gate, request: Request) -> Reply:
    """GET /openapi.json."""
    return cached(request, gate.openapi(), seconds=_METADATA_SECONDS)


@cache
def _schema(dialect: Dialect) -> tuple[migrate.Step, ...]:
    """What a probe need not read from the disk again."""
    return migrate.steps(dialect)


def cached(request: Request, body: bytes, *, seconds: int, kind: Header = JSON) -> Reply:
    """A public document with a strong validator (RFC 9110 sections 8.8.3, 13.1.2)."""
    etag = '"' + hashlib.sha256(body).hexdigest()[:32] + '"'
    reply = public(body, seconds=seconds, kind=kind, headers=((b"etag", etag.encode()),))
    known = {tag.strip().removeprefix("W/") for value in request.every(b"if-none-match") for tag in value.split(",")}
    return Reply(304, headers=reply.headers[1:]) if etag in known or "*" in known else reply
