"""The table finds exact paths at once and those with a name by their segments."""

import pytest

from jotgate.server.gate import Gate, Route
from jotgate.server.reply import NO_CONTENT, Reply
from jotgate.server.request import Request
from jotgate.server.table import Table


async def _nothing(_gate: Gate, _request: Request) -> Reply:
    return NO_CONTENT


def _route(method: str, path: str) -> Route:
    return Route(method, path, _nothing, "")


ROWS = (
    _route("GET", "/users"),
    _route("POST", "/users"),
    _route("GET", "/users/{id}"),
    _route("DELETE", "/users/{id}"),
    _route("POST", "/users/{id}/password"),
    _route("POST", "/keys/rotate"),
    _route("POST", "/keys/{kid}/revoke"),
)


@pytest.mark.parametrize(
    ("path", "methods", "target"),
    [
        ("/users", {"GET", "POST"}, ""),
        ("/users/7", {"GET", "DELETE"}, "7"),
        ("/users/{}", {"GET", "DELETE"}, "{}"),
        ("/users/{id}", {"GET", "DELETE"}, "{id}"),
        ("/users/7/password", {"POST"}, "7"),
        ("/keys/rotate", {"POST"}, ""),
        ("/keys/rotate/revoke", {"POST"}, "rotate"),
    ],
)
def test_a_path_has_its_methods_and_its_target(path: str, methods: set[str], target: str) -> None:
    found = Table(ROWS).find(path)

    assert found is not None
    assert (set(found[0]), found[1]) == (methods, target)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/user",
        "/users/",
        "/users//password",
        "/users/7/",
        "/users/7/other",
        "/keys",
        "/keys/7",
        "users",
        "//users",
        "/users/7" + "/x" * 10_000,
    ],
)
def test_what_is_not_in_the_table_is_not_found(path: str) -> None:
    assert Table(ROWS).find(path) is None


def test_every_base_has_all_routes() -> None:
    table = Table(ROWS, bases=("", "/tenant"))

    assert table.find("/users") is not None
    assert table.find("/tenant/users") is not None
    assert table.find("/tenant/users/7") is not None
    assert table.find("/other/users") is None
