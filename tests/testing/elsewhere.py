"""A user's machine: a virtual environment with the built wheel, what it requires, and nothing but what is named."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.testing import socketwatch


@dataclass(frozen=True)
class Elsewhere:
    """One such environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, project: Path, *arguments: str, sockets: str = "none") -> subprocess.CompletedProcess[str]:
        """A command in a project; `sockets` as `socketwatch` has them. Fails if any other was opened."""
        log = project / "sockets.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("JOTGATE_", "PYT"))}
        given = {"JOTGATE_TEST_SOCKETS": sockets, "JOTGATE_TEST_SOCKETS_LOG": str(log)}
        done = subprocess.run(
            [str(self.python), *arguments],
            cwd=project,
            env=environment | given,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not log.exists(), log.read_text()
        return done


def environment(folder: Path, wheel: Path, *packages: str, extras: tuple[str, ...] = ()) -> Elsewhere:
    """With jotgate from an unpacked wheel; the others are those that are installed here."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for part in wheel.iterdir():
        (site / part.name).symlink_to(part)
    for name in _closure({*packages, *_required("jotgate", extras)}):
        _link(importlib.metadata.distribution(name), site)
    shutil.copy(socketwatch.__file__, site / "socketwatch.py")
    (site / "socketwatch.pth").write_text("import socketwatch\n")
    return Elsewhere(folder)


def _link(distribution: importlib.metadata.Distribution, site: Path) -> None:
    for part in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        target = site / part
        if not target.exists():
            target.symlink_to(Path(str(distribution.locate_file(part))).resolve())


def _closure(wanted: set[str]) -> set[str]:
    """With everything that they require and that is installed here."""
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        try:
            more = _required(name, ())
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or Python
        found.add(name)
        wanted |= more - found
    return found


def _required(name: str, extras: tuple[str, ...]) -> set[str]:
    lines = importlib.metadata.requires(name) or []
    return {
        re.split(r"[^\w.-]", line)[0]
        for line in lines
        if "extra ==" not in line or any(re.search(rf"extra == ['\"]{extra}['\"]", line) for extra in extras)
    }
