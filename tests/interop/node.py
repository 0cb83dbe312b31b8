"""npm `jose`, asked through one Node process."""

import json
import shutil
import subprocess
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

FOLDER = Path(__file__).parent


def ask(**request: Any) -> dict[str, Any]:
    """What `driver.mjs` answers; skips visibly where there is no Node, npm or network."""
    if reason := obstacle():
        pytest.skip(reason)
    said: dict[str, Any] = json.loads(run("node", "driver.mjs", text=json.dumps(request)).stdout)
    return said


@cache
def obstacle() -> str | None:
    """Why npm jose cannot be asked; nothing once `npm ci` has put it into tests/interop/node_modules."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "no node and npm on this machine: npm jose is not asked"
    with (Path(gettempdir()) / "jotgate-tests-interop.lock").open("w") as lock:
        flock(lock, LOCK_EX)  # several processes may test at the same time
        if (FOLDER / "node_modules" / "jose" / "package.json").is_file():
            return None
        installed = run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    return f"npm ci failed (no network?): {installed.stderr[-200:]}" if installed.returncode else None


def run(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=FOLDER, input=text, capture_output=True, text=True, timeout=300, check=False)
