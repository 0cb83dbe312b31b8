"""What an operator does at a terminal: type a command, give it something, read what it prints."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from jotgate.cli.main import root

ADA_PASSWORD = "seven pink elephants"
BOB_PASSWORD = "nine green crocodiles"


@dataclass(frozen=True)
class Terminal:
    home: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    def run(self, *arguments: str, given: str = "", env: Mapping[str, str] | None = None) -> Result:
        """`env` goes before what is set anyway."""
        result = CliRunner().invoke(root, arguments, input=given, env=env, prog_name="jotgate")
        unexpected = result.exception is not None and not isinstance(result.exception, SystemExit)
        assert not unexpected, result.exc_info
        return result

    def done(self, *arguments: str, given: str = "", env: Mapping[str, str] | None = None) -> str:
        """What it printed; it must have worked."""
        result = self.run(*arguments, given=given, env=env)
        assert result.exit_code == 0, result.output
        return result.stdout

    def failed(self, *arguments: str, given: str = "", code: int = 1, env: Mapping[str, str] | None = None) -> str:
        """What it complained of; it must have failed so."""
        result = self.run(*arguments, given=given, env=env)
        assert result.exit_code == code, result.output
        return result.stderr

    def json(self, *arguments: str, given: str = "", env: Mapping[str, str] | None = None) -> Any:
        return json.loads(self.done(*arguments, "--json", given=given, env=env))
