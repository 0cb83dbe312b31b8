"""OpenAPI 3.1 from the route table and the schemas: what is not in the table is not there, and the reverse."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from jotgate.core.policy import Policy
from jotgate.errors import (
    AudienceMismatch,
    BadRequest,
    BodyTooLarge,
    ContentTypeRefused,
    Forbidden,
    Invalid,
    JotgateError,
    TokenError,
    Unavailable,
)
from jotgate.jose import strictjson
from jotgate.server.gate import Route, Who
from jotgate.server.schemas import ErrorAnswer
from jotgate.wire import cookies

_REF = "#/components/schemas/{name}"
_BODY_ERRORS = (BadRequest, BodyTooLarge, ContentTypeRefused, Invalid)
_NAME = re.compile(r"\{(\w+)\}")
Schemas = Mapping[type[msgspec.Struct], Any]


def document(policy: Policy, rows: Sequence[Route]) -> bytes:
    """The whole document, as JSON."""
    shapes = {ErrorAnswer} | {shape for row in rows for shape in (row.answer, row.body) if shape is not None}
    ordered = sorted(shapes, key=lambda shape: shape.__name__)
    references, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    schemas = dict(zip(ordered, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas)
    return strictjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "jotgate",
                "version": version("jotgate"),
                "description": "Login, tokens and permissions.",
            },
            "servers": [{"url": policy.issuer}],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": _schemes(policy)},
        }
    )


def _operation(row: Route, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(row),
        "summary": row.summary,
        "parameters": _parameters(row),
        "responses": _responses(row, schemas),
    }
    if row.body is not None:
        kinds = ["application/json", *(["application/x-www-form-urlencoded"] if row.form else [])]
        content = {kind: {"schema": schemas[row.body]} for kind in kinds}
        operation["requestBody"] = {"required": row.body_needed, "content": content}
    if row.who is not Who.ANYBODY:
        operation["security"] = [{"bearer": []}]
    return operation


def _operation_id(row: Route) -> str:
    """Unique, and the same in every version: the method and the path below the prefix."""
    return "_".join([row.method.lower(), *re.findall(r"[A-Za-z0-9-]+", row.path)])


def _parameters(row: Route) -> list[dict[str, Any]]:
    text = {"type": "string"}
    in_path = [{"name": name, "in": "path", "required": True, "schema": text} for name in _NAME.findall(row.path)]
    several = {"type": "array", "items": text}
    return in_path + [
        {"name": name, "in": "query", "schema": several if name in row.repeated else text} for name in row.query
    ]


def _responses(row: Route, schemas: Schemas) -> dict[str, Any]:
    good: dict[str, Any] = {"description": row.status.phrase}
    if row.answer is not None:
        good["content"] = {row.media: {"schema": schemas[row.answer]}}
    elif row.status.value == 200:
        good["content"] = {row.media: {}}
    if row.headers:
        good["headers"] = {name: {"schema": {"type": "string"}} for name in row.headers}
    codes: dict[int, list[str]] = {}
    for error in _errors(row):
        codes.setdefault(error.status, []).append(error.code)
    refused: dict[str, Any] = {"application/json": {"schema": schemas[ErrorAnswer]}}
    if row.form:  # a form is answered by pages
        refused["text/html"] = {}
    bad = {
        str(status): {"description": ", ".join(dict.fromkeys(codes[status])), "content": refused}
        for status in sorted(codes)
    }
    done = {"303": {"description": "after a form: the page that says so"}} if row.form else {}
    return {str(row.status.value): good, **done, **bad}


def _errors(row: Route) -> list[type[JotgateError]]:
    errors = list(row.errors)
    if row.body is not None:
        errors += _BODY_ERRORS
    if row.query:
        errors += (BadRequest, Invalid)
    if row.who is not Who.ANYBODY:
        errors.append(TokenError)
    if row.who is Who.ADMINISTRATOR:
        errors += (AudienceMismatch, Forbidden)
    return [*errors, Unavailable] if row.needs_start else errors


def _schemes(policy: Policy) -> dict[str, Any]:
    schemes: dict[str, Any] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    if policy.transport != "bearer":
        name = cookies.names(policy.issuer.startswith("https://")).access
        schemes["cookie"] = {"type": "apiKey", "in": "cookie", "name": name}
    return schemes
