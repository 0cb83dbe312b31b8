"""Commands in this process, on a data directory of the test's own."""

from pathlib import Path

import pytest

from tests.cli.terminal import ADA_PASSWORD, BOB_PASSWORD, Terminal


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOTGATE_DATA_DIR", str(tmp_path / "data"))
    return Terminal(tmp_path)


@pytest.fixture
def people(terminal: Terminal) -> Terminal:
    """Ada, a manager, and Bob, who has no role."""
    terminal.done("role", "set", "manager", "payments:read", "members:*")
    terminal.done(
        "user", "add", "--email", "ada@example.com", "--role", "manager", "--password-stdin", given=ADA_PASSWORD
    )
    terminal.done("user", "add", "--username", "bob", "--name", "Bob", "--password-stdin", given=BOB_PASSWORD)
    return terminal
