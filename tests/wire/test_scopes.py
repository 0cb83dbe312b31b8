"""Scopes as patterns."""

import pytest

from jotgate.wire.scopes import matches


@pytest.mark.parametrize(
    ("held", "wanted", "match"),
    [
        ("members:read", "members:read", True),
        ("members:*", "members:read", True),
        ("members:*", "members:a:b", True),
        ("members:*", "members:*", True),
        ("members:a:*", "members:*", False),
        ("members:*", "members", False),
        ("members:*", "members:", False),
        ("members:read", "members:*", False),
        ("members:*", "memberships:read", False),
        ("*", "members:read", False),
        ("members*", "members:read", False),
        ("", "members:read", False),
    ],
)
def test_what_is_held_against_what_is_wanted(held: str, wanted: str, match: bool) -> None:  # noqa: FBT001  # a row
    assert matches(held, wanted) is match
