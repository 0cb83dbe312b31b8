"""Whatever others may rely on stands in README.md or docs/: settings, routes, error codes, commands."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from fastapi import FastAPI

from jotgate import errors
from jotgate.cli.main import COMMANDS, root
from jotgate.core.policy import PROFILES, policy_for
from jotgate.server.routes import routes
from jotgate.setting_table import SETTINGS, Setting

ROOT = Path(__file__).parents[1]
DOCS = "\n".join(path.read_text("utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
NEVER_SENT = {"start_failed", "key_refused", "misuse"}  # codes of errors that no answer carries


def commands() -> list[str]:
    """`user add`, `serve`, ..."""
    context = click.Context(root)
    found = []
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else {"": command}
        found += [f"{name} {sub}".strip() for sub in below]
    return found


def codes() -> set[str]:
    classes = (
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.JotgateError)
    )
    return {item.code for item in classes} - NEVER_SENT


def paths() -> set[str]:
    return {f"{route.method} {route.path}" for route in routes(policy_for("https://auth.example.com"))}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_documented(setting: Setting) -> None:
    assert re.search(rf"\b(JOTGATE_)?{setting.name.upper()}\b", DOCS)


@pytest.mark.parametrize("code", sorted(codes()))
def test_an_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in DOCS


@pytest.mark.parametrize("command", commands())
def test_a_command_is_documented(command: str) -> None:
    name, _, sub = command.partition(" ")

    assert re.search(rf"jotgate {name}\b[^\n]*\b{sub}\b", DOCS)


@pytest.mark.parametrize("path", sorted(paths()))
def test_a_route_is_documented(path: str) -> None:
    method, _, place = path.partition(" ")

    assert re.search(rf"{method}\b.*{re.escape(place.removeprefix('/auth'))}(?![\w/{{-])", DOCS)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_documented(profile: str) -> None:
    assert f"`{profile}`" in DOCS


@pytest.mark.parametrize("source", re.findall(r"```python\n(from typing .*?)```", DOCS, re.DOTALL))
def test_an_example_is_a_program_that_works(source: str) -> None:
    example = sys.modules["example"] = ModuleType("example")  # frameworks look for a view's module

    exec(compile(source, "example", "exec", dont_inherit=True), vars(example))

    assert "bearer" in schema_of(example.app).lower()


def schema_of(app: Any) -> str:
    return str(app.openapi() if isinstance(app, FastAPI) else app.openapi_schema.to_schema())
