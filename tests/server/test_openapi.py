"""OpenAPI says what the route table says, for every profile."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from jotgate.core.policy import PROFILES, policy_for
from jotgate.server.gate import Who
from jotgate.server.routes import routes
from tests.server.issuing import ISSUER, House, issuing

pytestmark = pytest.mark.anyio


async def _document(house: House) -> dict[str, Any]:
    answer = await house.http.get("/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_route_is_there_and_nothing_else(profile: str) -> None:
    async with issuing(profile) as house:
        document = await _document(house)

    said = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert said == {(route.method, route.path) for route in routes(policy_for(ISSUER, profile))}


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_reference_leads_somewhere_and_every_name_is_unique(profile: str) -> None:
    async with issuing(profile) as house:
        document = await _document(house)

    schemas = document["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert references == set(schemas)
    assert len(set(names)) == len(names)
    for schema in schemas.values():
        jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})


async def test_what_needs_a_token_says_so(house: House) -> None:
    document = await _document(house)

    for route in routes(house.env.policy):
        operation = document["paths"][route.path][route.method.lower()]
        assert ("security" in operation) is (route.who is not Who.ANYBODY)
        assert ("401" in operation["responses"]) or route.who is Who.ANYBODY


async def test_every_error_is_described_by_its_status_and_its_codes(house: House) -> None:
    document = await _document(house)

    login = document["paths"]["/auth/login"]["post"]["responses"]
    assert set(login) == {"200", "400", "401", "403", "413", "415", "422", "429", "503"}
    assert login["401"]["description"] == "invalid_credentials"
    error = login["401"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert set(document["components"]["schemas"][error]["required"]) == {"error", "error_description", "code"}


async def test_real_answers_are_of_the_shape_that_is_described() -> None:
    async with issuing(registration="open") as house:
        document = await _document(house)
        root = await house.administrator()
        calls = [
            ("GET", "/auth/me", None),
            ("GET", "/auth/sessions", None),
            ("GET", "/auth/admin/users", None),
            ("GET", "/auth/admin/roles", None),
            ("GET", "/auth/admin/keys", None),
            ("GET", "/.well-known/jwks.json", None),
            ("GET", "/.well-known/oauth-authorization-server", None),
            ("GET", "/healthz", None),
            ("GET", "/readyz", None),
            ("GET", "/revocations", None),
            ("POST", "/auth/login", {"email": "nobody@example.com", "password": "wrong"}),
            ("POST", "/auth/register", {"email": "a@example.com", "password": "a long enough phrase"}),
        ]
        answers = [await house.http.request(method, path, json=body, headers=root) for method, path, body in calls]

    for (method, path, _), answer in zip(calls, answers, strict=True):
        described = document["paths"][path][method.lower()]["responses"][str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"] | {"components": document["components"]}
        jsonschema_rs.validate(schema, answer.json())
