"""Roles, permissions, scopes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jotgate.core.roles import (
    ADMIN_PERMISSION,
    matches,
    narrow,
    permissions_of,
    valid_permission,
    valid_role_name,
)

TABLE = {"manager": ("members:*", "payments:read"), "member": ("members:read",), "idle": ()}


@pytest.mark.parametrize(
    ("roles", "permissions"),
    [
        ((), ()),
        (("member",), ("members:read",)),
        (("manager", "member"), ("members:*", "members:read", "payments:read")),
        (("member", "member"), ("members:read",)),
        (("idle",), ()),
        (("unknown", "member"), ("members:read",)),
    ],
)
def test_roles_give_permissions(roles: tuple[str, ...], permissions: tuple[str, ...]) -> None:
    assert permissions_of(roles, TABLE) == permissions


@pytest.mark.parametrize(
    ("held", "wanted", "granted"),
    [
        (("members:read",), "members:read", ("members:read",)),
        (("members:*",), "members:read", ("members:read",)),
        (("members:read",), "members:*", ("members:read",)),
        (("members:*",), "members:*", ("members:*",)),
        (("members:read",), "payments:read", ()),
        (("members:read", "members:write"), "members:*", ("members:read", "members:write")),
        (("members:*",), "members:write members:read openid", ("members:read", "members:write")),
        (("b", "a"), None, ("a", "b")),
        (("b", "a"), "", ()),
        (("a",), "  a   a ", ("a",)),
    ],
)
def test_a_scope_narrows(held: tuple[str, ...], wanted: str | None, granted: tuple[str, ...]) -> None:
    assert narrow(held, wanted) == granted


WORDS = st.lists(st.sampled_from(["a:r", "a:w", "a:*", "b", "b:*", "b:c:d", "b:c:*", "x"]), max_size=5)


@settings(derandomize=True, deadline=None)
@given(WORDS, WORDS)
def test_narrowing_never_gives_what_was_not_held(held: list[str], wanted: list[str]) -> None:
    granted = narrow(held, " ".join(wanted))

    assert all(any(matches(have, got) for have in held) for got in granted)
    assert all(any(matches(want, got) for want in wanted) for got in granted)


@pytest.mark.parametrize(
    "permission", [ADMIN_PERMISSION, "members:read", "members:*", "a", "a:b:*", "https://x/y", "a" * 128]
)
def test_a_permission(permission: str) -> None:
    assert valid_permission(permission)


@pytest.mark.parametrize(
    "permission",
    ["", "*", ":*x", "members*", "a:*:b", "a:**", "a b", "a\n", "a\\b", 'a"b', "\u00e4", "a" * 129, "a" * 127 + ":*"],
)
def test_what_is_no_permission(permission: str) -> None:
    assert not valid_permission(permission)


@pytest.mark.parametrize("name", ["admin", "Manager", "a", "0", "a.b-c_d:e", "a" * 64])
def test_a_role_name(name: str) -> None:
    assert valid_role_name(name)


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a\n", "a,b", "\u00e4", "a" * 65])
def test_what_is_no_role_name(name: str) -> None:
    assert not valid_role_name(name)
