"""The table of commands, exit codes, and what `--help` costs."""

import resource
import subprocess
import sys

import pytest

from jotgate.cli.main import COMMANDS
from tests.cli.terminal import Terminal

HELP_CPU_SECONDS = 0.2


def test_help_names_every_command(terminal: Terminal) -> None:
    shown = terminal.done("--help")

    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(terminal: Terminal, command: str) -> None:
    assert "Usage: jotgate" in terminal.done(command, "--help")


def test_no_command_shows_help_as_usage(terminal: Terminal) -> None:
    assert "Commands:" in terminal.run().output


def test_an_unknown_command_is_usage(terminal: Terminal) -> None:
    assert "No such command" in terminal.failed("serv", code=2)


def test_wrong_settings_are_usage_and_all_told(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOTGATE_PORT", "eighty")
    monkeypatch.setenv("JOTGATE_PROFILE", "modern")

    told = terminal.failed("user", "list", code=2)

    assert "JOTGATE_PORT = 'eighty'" in told
    assert "JOTGATE_PROFILE = 'modern'" in told


def test_the_version_is_the_packages(terminal: Terminal) -> None:
    assert terminal.done("--version").startswith("jotgate 0.")


def test_help_is_cheap() -> None:
    """The best of five, because a crowded machine makes CPU time longer too."""
    costs = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "jotgate", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(costs) < HELP_CPU_SECONDS


def test_help_loads_neither_cryptography_nor_a_server() -> None:
    script = (
        "import sys, jotgate.cli.main as m\n"
        "try: m.root(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )

    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()

    assert not {"cryptography", "starlette", "uvicorn", "asyncio", "msgspec", "sqlite3"} & set(loaded)
