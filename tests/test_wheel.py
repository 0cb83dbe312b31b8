"""The wheel that is built is whole: what is tested here is what people install."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_demo import LAST_LINE, pasted, shown

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sources, unpacked beside everything else that is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_every_file_of_the_package_is_in_it(unpacked: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "src/jotgate"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    expected = {file.removeprefix("src/") for file in tracked if (ROOT / file).exists()}
    found = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_file()}

    assert expected <= found
    assert {file.partition("/")[0].partition("-")[0] for file in found} == {"jotgate"}


def test_its_demonstration_works_without_the_repository(unpacked: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import jotgate.cli.main as m; print(m.__file__); m.main()"
    )
    arguments = ["serve", "--demo", "--port", "0", "--data-dir", str(tmp_path / "data")]

    with shown([sys.executable, "-P", "-c", script, str(unpacked), *arguments], LAST_LINE) as (_process, text):
        promised, came = pasted(text)

    assert text.startswith(str(unpacked) + os.sep)
    assert came == promised


def test_the_guard_needs_nothing_of_the_server(unpacked: Path) -> None:
    """Four packages: jotgate, cryptography, cffi or none, msgspec."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from jotgate import Guard, GuardMiddleware, Principal\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[2:])))"
    )
    heavy = ["starlette", "uvicorn", "click", "fastapi", "pydantic", "nacl", "argon2", "prometheus_client", "sqlite3"]

    loaded = subprocess.run(
        [sys.executable, "-P", "-c", script, str(unpacked), *heavy], check=True, capture_output=True, text=True
    )

    assert loaded.stdout.split() == []
