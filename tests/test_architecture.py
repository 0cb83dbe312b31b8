"""The architecture, held by reading the source: who may import whom, how long things are, what is pure."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "jotgate"
MODULES = sorted(SOURCE.rglob("*.py"))
EVERYTHING = [
    path
    for folder in ("src", "tests", "benchmarks", "torture", "examples", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

FILE_LINES = 400
FUNCTION_LINES = 50

# floor -> the floors that it may import; a floor may import itself
_VERIFYING = {"wire", "jose", "errors"}
_ISSUING = _VERIFYING | {"core", "store", "flows", "guard", "server"}
FLOORS = {
    "errors": set(),
    "jose": {"errors"},
    "wire": {"jose", "errors"},
    "core": {"wire", "jose", "errors"},
    "store": {"core", "wire", "jose", "errors"},
    "flows": {"store", "core", "wire", "jose", "errors"},
    "guard": _VERIFYING,
    "client": _VERIFYING,
    "testing": _VERIFYING | {"guard"},
    "server": _ISSUING - {"server"},
    "setting_table": {"core", "wire"},
    "settings": {"setting_table", "core", "errors"},
    "datadir": {"errors"},
    "assemble": _ISSUING | {"settings", "datadir"},
    "logs": {"errors"},
    "cli": _ISSUING | {"settings", "setting_table", "datadir", "assemble", "logs"},
    "__main__": {"cli"},
}
# a throttle has another one behind it
_COUNTING = {"throttle", "valkey", "valkey_counts"}
# within these floors, the only modules that siblings may import
SHARED = {
    "flows": {"env", "mint", "vault"},
    "store": {"feed", "ports", "postgres_errors", "postgres_pool", "postgres_sql", "sqlite_file", "sqlite_wal"}
    | _COUNTING,
}

# module -> imports inside its functions, each with its reason
LAZY: dict[str, dict[str, str]] = {
    "jotgate.assemble": {
        "jotgate.store.postgres": "its driver is there only where PostgreSQL is used",
        "jotgate.store.valkey": "its driver is there only where Valkey is used",
        "jotgate.store.valkey_spread": "like valkey",
        "jotgate.store.valkey_throttle": "like valkey",
    },
    "jotgate.guard.ear": {"jotgate.guard.natsfeed": "nats-py is there only where guards listen to NATS"},
    "jotgate.store.nats": {"jotgate.wire.natsline": "nats-py takes a third of a second, and commands publish nothing"},
    "jotgate.cli.reach": {
        "jotgate.store.valkey": "its driver is there only where Valkey is used",
        "jotgate.wire.natsline": "its driver is there only where NATS is used",
    },
    "jotgate.cli.serve": {
        "jotgate.cli.demo.stage": "Starlette's applications are for the demonstration only",
        "jotgate.cli.worker": "its server is there only where there are several workers",
    },
}

# What decisions must not reach for, and the files that are there to do just that.
IMPURE = {
    "time",
    "random",
    "secrets",
    "os",
    "io",
    "pathlib",
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "asyncio",
    "threading",
    "subprocess",
    "logging",
    "sqlite3",
    "tempfile",
    "uuid",
    "select",
    "signal",
    "multiprocessing",
    "concurrent",
    "anyio",
}
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "compile", "__import__"}
PURITY_EXCEPTIONS: dict[str, set[str]] = {"jotgate.jose.keygen": {"secrets"}}

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "service", "base", "misc"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def name_of(path: Path) -> str:
    """`src/jotgate/core/ids.py` -> `jotgate.core.ids`."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


BY_NAME = {name_of(path): path for path in MODULES}


def imported(node: ast.AST) -> Iterator[str]:
    """The modules that one import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports are absolute"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in BY_NAME else str(node.module)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def all_imports(path: Path) -> set[str]:
    return {name for node in ast.walk(tree_of(path)) for name in imported(node)}


def lazy_imports(path: Path) -> set[str]:
    return {name for function in functions(path) for node in ast.walk(function) for name in imported(node)}


def floor_of(module: str) -> str:
    return [*module.split("."), ""][1]


@pytest.mark.parametrize("path", [path for path in MODULES if path != SOURCE / "__init__.py"], ids=relative)
def test_imports_point_down(path: Path) -> None:
    module = name_of(path)
    floor = floor_of(module)
    allowed = FLOORS[floor] | {floor}
    if module == "jotgate.testing.live":
        allowed |= {"assemble", "settings", "flows"}  # an issuer, and people in it

    ours = {name for name in all_imports(path) if name.split(".")[0] == "jotgate"}
    wrong = {name for name in ours if floor_of(name) not in allowed}

    assert not wrong, f"{module} is on the floor {floor} and must not import {sorted(wrong)}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_stand_at_the_top_unless_listed_with_a_reason(path: Path) -> None:
    listed = set(LAZY.get(name_of(path), {}))

    assert lazy_imports(path) == listed


@pytest.mark.parametrize("path", EVERYTHING, ids=relative)
def test_no_import_is_for_the_type_checker_alone(path: Path) -> None:
    names = {node.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name)}

    assert "TYPE_CHECKING" not in names


def test_no_cycle() -> None:
    waiting = {
        module: {name for name in all_imports(path) if name in BY_NAME} - {module} for module, path in BY_NAME.items()
    }

    while free := {module for module, needs in waiting.items() if not needs & waiting.keys()}:
        for module in free:
            del waiting[module]

    assert not waiting, f"in a cycle, or above one: {sorted(waiting)}"


@pytest.mark.parametrize(("floor", "shared"), SHARED.items())
def test_siblings_know_only_what_their_floor_shares(floor: str, shared: set[str]) -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in sorted((SOURCE / floor).rglob("*.py"))
        for name in sorted(all_imports(path))
        if name.startswith(f"jotgate.{floor}.") and name.split(".")[2] not in shared
    ]

    assert not wrong


@pytest.mark.parametrize("path", EVERYTHING, ids=relative)
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", EVERYTHING, ids=relative)
def test_a_function_is_short(path: Path) -> None:
    long = {
        function.name: lines
        for function in functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    }

    assert not long


@pytest.mark.parametrize(
    "path", [path for path in MODULES if floor_of(name_of(path)) in {"jose", "core"}], ids=relative
)
def test_decisions_are_pure(path: Path) -> None:
    excepted = PURITY_EXCEPTIONS.get(name_of(path), set())
    reached = {name for name in all_imports(path) if name in IMPURE or name.split(".")[0] in IMPURE}
    called = {
        node.func.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    clocks = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    } & {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}

    assert (reached | (called & IMPURE_CALLS) | clocks) == excepted


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_opens_by_saying_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path))

    assert docstring, "there is no docstring"
    assert re.match(r"\S.{10,}", docstring.splitlines()[0]), "the first line says nothing"


@pytest.mark.parametrize("path", EVERYTHING, ids=relative)
def test_a_name_says_what_is_in_it(path: Path) -> None:
    assert path.stem.removeprefix("test_") not in FORBIDDEN_NAMES


def test_whatever_is_imported_is_declared() -> None:
    """Not only what happens to be installed on the machine of whoever wrote it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    declared = {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in lines}
    homes = packages_distributions()

    used = {name.partition(".")[0] for path in EVERYTHING for name in all_imports(path)}
    foreign = used - set(sys.stdlib_module_names) - {"jotgate", "tests", "benchmarks", "torture", "examples"}
    missing = {
        name for name in foreign if not {home.lower().replace("_", "-") for home in homes.get(name, ())} & declared
    }

    assert not missing


def test_nothing_is_mocked() -> None:
    words = re.compile(r"\b(import mock|unittest\.mock|pytest_mock|MagicMock|mocker|Mock\()")

    users = [
        str(path.relative_to(ROOT))
        for path in EVERYTHING
        if path != Path(__file__) and words.search(path.read_text("utf-8"))
    ]

    assert not users


def test_nothing_is_left_for_later() -> None:
    words = re.compile(r"#.*\b(TODO|FIXME|XXX)\b")

    users = [
        str(path.relative_to(ROOT))
        for path in EVERYTHING
        if path != Path(__file__) and words.search(path.read_text("utf-8"))
    ]

    assert not users
