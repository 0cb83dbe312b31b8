"""Test data that others have written, from JOTGATE_TEST_VECTORS; by default ../shared/vectors beside the project."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(os.environ.get("JOTGATE_TEST_VECTORS") or Path(__file__).parents[2] / ".." / "shared" / "vectors")

needs_vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason=f"no test vectors in {VECTORS}: set JOTGATE_TEST_VECTORS to their folder"
)


def read(name: str) -> Any:
    """The JSON file of this name, or an empty object where there are no vectors (the tests are skipped then)."""
    path = VECTORS / name
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def files(pattern: str) -> list[Path]:
    return sorted(VECTORS.glob(pattern))
