"""Whatever comes in, on every route: a clear error of three fields, and nothing is lost."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from jotgate.core.policy import policy_for
from jotgate.server.gate import Route, Who
from jotgate.server.routes import routes
from tests.server.issuing import ISSUER, House, issuing

pytestmark = pytest.mark.anyio
ROWS = routes(policy_for(ISSUER, registration="open"))
WITH_BODY = [row for row in ROWS if row.body is not None]
JSON = {"content-type": "application/json"}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with issuing(registration="open") as house:
        await house.user("ada")
        await house.user("root", roles=["admin"])
        yield house


def named(row: Route) -> str:
    return f"{row.method} {row.path}"


async def call(house: House, row: Route, **more: Any) -> httpx2.Response:
    """The route as somebody who may call it."""
    headers = {} if row.who is Who.ANYBODY else await house.bearer("root")
    path = row.path.replace("{id}", "01a3185c50007813bea906eb6d561f7d").replace("{name}", "role").replace("{kid}", "k")
    content, extra = more.pop("content", None), more.pop("headers", {})
    pairs = [*headers.items(), *(extra.items() if isinstance(extra, dict) else extra)]
    return await house.http.request(row.method, path + more.pop("query", ""), content=content, headers=pairs, **more)


def assert_error(answer: httpx2.Response, status: int | set[int], code: str | None = None) -> dict[str, Any]:
    """The error has its three fields, may not be kept, and carries what every answer carries."""
    assert answer.status_code in (status if isinstance(status, set) else {status}), answer.text
    body: dict[str, Any] = answer.json()
    assert {"error", "error_description", "code"} <= set(body) <= {"error", "error_description", "code", "field"}
    assert all(isinstance(value, str) for value in body.values())
    assert body["error_description"]
    assert code is None or body["code"] == code
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return body


async def assert_nothing_lost(house: House) -> None:
    """Everybody who was there still is, and logs in."""
    assert await house.login("ada")


BROKEN = [
    b"nonsense",
    b"{",
    b"[]",
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'"text"',
    b"null",
    b"1",
    b'{"a": NaN}',
    b'{"a": 1' + b"0" * 400 + b"}",
    b'{"password": "x", "password": "y"}',
    b'{"refresh_token": "x", "refresh_token": "y"}',
    b'{"a": {"b": 1, "\\u0062": 2}}',
    b'\xef\xbb\xbf{"a": 1}',
    '{"a": 1}'.encode("utf-16"),
    b'{"a": "\xff\xfe"}',
    b'{"a": "\\ud800"}',
    b'{"a": "\x00"}',
    b'{"a": 1} trailing',
]


@pytest.mark.parametrize("row", WITH_BODY, ids=named)
async def test_json_that_is_broken_is_400(house: House, row: Route) -> None:
    for body in BROKEN:
        answer = await call(house, row, content=body, headers=JSON)

        assert_error(answer, 400, "json_malformed")
    await assert_nothing_lost(house)


@pytest.mark.parametrize("row", WITH_BODY, ids=named)
async def test_a_body_over_the_limit_is_413(house: House, row: Route) -> None:
    answer = await call(house, row, content=b'{"a": "' + b"x" * 65_536 + b'"}', headers=JSON)

    assert_error(answer, 413, "body_too_large")
    await assert_nothing_lost(house)


@pytest.mark.parametrize("row", WITH_BODY, ids=named)
async def test_a_body_that_announces_nothing_and_never_ends_is_413(house: House, row: Route) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1024

    answer = await call(house, row, content=endless(), headers=JSON)

    assert_error(answer, 413, "body_too_large")


@pytest.mark.parametrize("row", WITH_BODY, ids=named)
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/json; charset=utf-16", "x", ""],
)
async def test_another_content_type_is_415(house: House, row: Route, kind: str) -> None:
    answer = await call(house, row, content=b'{"a": 1}', headers={"content-type": kind})

    assert_error(answer, 415, "content_type")


@pytest.mark.parametrize("row", WITH_BODY, ids=named)
async def test_a_content_type_twice_is_415(house: House, row: Route) -> None:
    answer = await call(house, row, content=b"{}", headers=[*JSON.items(), *JSON.items()])

    assert_error(answer, 415, "content_type")


@pytest.mark.parametrize("row", WITH_BODY, ids=named)
async def test_a_field_of_the_wrong_type_is_422_and_named(house: House, row: Route) -> None:
    assert row.body is not None
    names = row.body.__struct_encode_fields__
    for name in names:
        body = json.dumps({name: {"secret-value": 1}}).encode()
        answer = await call(house, row, content=body, headers=JSON)

        told = assert_error(answer, 422, "invalid_field")
        assert told["field"] in names
        assert told["error_description"].startswith(f"{told['field']}: ")
        assert "secret" not in answer.text
    await assert_nothing_lost(house)


@pytest.mark.parametrize("row", [row for row in WITH_BODY if row.body_needed], ids=named)
async def test_no_body_where_one_is_needed_is_400_or_names_a_field(house: House, row: Route) -> None:
    answer = await call(house, row)

    assert_error(answer, {400, 422})


@pytest.mark.parametrize("row", ROWS, ids=named)
async def test_a_query_changes_nothing_and_carries_no_token(house: House, row: Route) -> None:
    token = (await house.login("ada"))["access_token"]
    path = row.path.replace("{id}", "x").replace("{name}", "x").replace("{kid}", "x")

    answer = await house.http.request(row.method, f"{path}?access_token={token}&token=x")

    assert answer.status_code < 500
    if row.who is not Who.ANYBODY:
        assert_error(answer, 401, "token_missing")


@pytest.mark.parametrize("row", [row for row in ROWS if row.query], ids=named)
@pytest.mark.parametrize("query", ["?a=1&a=2", "?a=%ff", "?" + "&".join(f"n{at}=1" for at in range(100))])
async def test_a_query_that_cannot_be_read_is_400(house: House, row: Route, query: str) -> None:
    assert_error(await call(house, row, query=query), 400, "request_malformed")


@pytest.mark.parametrize("row", ROWS, ids=named)
async def test_any_header_may_be_nonsense(house: House, row: Route) -> None:
    headers = [
        ("accept", "nonsense/;;"),
        ("accept-encoding", "\x7f"),
        ("cookie", "=; ;;; a"),
        ("if-none-match", '"'),
        ("origin", "nonsense"),
        ("sec-fetch-site", "nonsense"),
        ("user-agent", "x" * 5000),
        ("x-csrf-token", b"\xff"),
        ("x-forwarded-for", "nonsense,,,"),
        ("x-forwarded-for", "more nonsense"),
        ("host", "nonsense host"),
    ]

    answer = await call(house, row, content=b"{}" if row.body else None, headers=[*headers, *JSON.items()])

    assert answer.status_code < 500
    if answer.status_code >= 400 and not row.form:
        assert_error(answer, answer.status_code)


@pytest.mark.parametrize("row", [row for row in ROWS if row.who is not Who.ANYBODY], ids=named)
@pytest.mark.parametrize(
    ("values", "status"),
    [
        (["Bearer a", "Bearer b"], 400),
        (["Bearer a, Bearer b"], 400),
        (["Bearer "], 401),
        (["Bearer " + "x" * 10_000], 401),
        (["Bearer \xff"], 401),
        (["Bearer e30.e30.e30"], 401),
        (["Bearer " + "." * 500], 401),
        (["Digest x"], 401),
    ],
)
async def test_credentials_that_are_none_open_nothing(house: House, row: Route, values: list[str], status: int) -> None:
    headers = [(b"authorization", value.encode("latin-1")) for value in values]
    path = row.path.replace("{id}", "x").replace("{name}", "x").replace("{kid}", "x")

    answer = await house.http.request(row.method, path, headers=headers)

    assert_error(answer, status)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="jotgate"')


@pytest.mark.parametrize(
    "target", ["%00", "%ff", "..%2f..", "%F0%9F%92%A9", "x" * 5000, "'; drop table users; --", "{id}"]
)
async def test_a_name_in_the_path_may_be_anything(house: House, target: str) -> None:
    root = await house.bearer("root")

    for method, path in [
        ("GET", f"/auth/admin/users/{target}"),
        ("DELETE", f"/auth/admin/users/{target}"),
        ("DELETE", f"/auth/sessions/{target}"),
        ("DELETE", f"/auth/admin/roles/{target}"),
        ("POST", f"/auth/admin/keys/{target}/revoke"),
    ]:
        assert_error(await house.http.request(method, path, headers=root), 404, "not_found")
    await assert_nothing_lost(house)
