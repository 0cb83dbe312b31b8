"""The paths that a guard leaves open."""

import pytest

from jotgate.guard.openpaths import open_paths

EXCLUDED = ["/healthz", "/public/*"]


@pytest.mark.parametrize(
    "path", ["/healthz", "/public/", "/public/a", "/public/a/b.css", "/public/a..b", "/public/a b.pdf", "/public/.well"]
)
def test_what_is_named_is_open(path: str) -> None:
    assert open_paths(EXCLUDED)(path)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "", "/healthz/", "/healthz/x", "/Healthz", "/public", "/publicity", "/x/public/a"),
        *(
            "/public/../x",
            "/public/..",
            "/public/./x",
            "/public//x",
            "/public/..;/x",
            "/public/%2e%2e/x",
            "/public/\\x",
            "/public/.\t./x",
            "/public/..\n",
            "/public/..\x00/x",
            "/public/.. /x",
        ),
    ],
)
def test_nothing_else_is(path: str) -> None:
    assert not open_paths(EXCLUDED)(path)


def test_one_may_be_given_as_a_text_and_none_at_all() -> None:
    assert open_paths("/healthz")("/healthz")
    assert not open_paths("/healthz")("/")
    assert not open_paths(())("/")
