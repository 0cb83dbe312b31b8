"""The public names: each is there, loaded when it is used, and typed as the stub says."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jotgate

HOMES: dict[str, str] = vars(jotgate)["_HOMES"]
MODULES: tuple[str, ...] = vars(jotgate)["_MODULES"]
HERE = Path(__file__).parents[1] / "src" / "jotgate"


def stub() -> dict[str, str]:
    """Name -> home, as the stub imports them."""
    tree = ast.parse((HERE / "__init__.pyi").read_text("utf-8"))
    return {
        alias.name: str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_the_stub_says_what_is_there() -> None:
    assert stub() == HOMES | dict.fromkeys(MODULES, "jotgate")


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_are_there_without_being_imported(name: str) -> None:
    code = f"import jotgate; jotgate.{name}.__name__"

    subprocess.run([sys.executable, "-c", code], check=True)
    assert name in dir(jotgate)


@pytest.mark.parametrize("name", sorted(HOMES))
def test_each_name_is_there_and_listed(name: str) -> None:
    found = getattr(jotgate, name)

    assert found is getattr(sys.modules[stub()[name]], name)
    assert name in dir(jotgate)


@pytest.mark.parametrize("name", ["nothing", "_nothing", "guards"])
def test_there_is_nothing_else(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(jotgate, name)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import jotgate", ["cryptography", "msgspec", "starlette"]),
        ("from jotgate import Guard, GuardMiddleware, Principal", ["starlette", "fastapi", "click", "uvicorn"]),
    ],
)
def test_what_is_not_used_is_not_loaded(statement: str, absent: list[str]) -> None:
    code = f"{statement}\nimport sys\nassert not {{*{absent!r}}} & {{*sys.modules}}"

    subprocess.run([sys.executable, "-c", code], check=True)
