"""The data directory: ours alone, and its secrets whole or not there."""

import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from jotgate import datadir
from jotgate.errors import StartError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_us_alone(tmp_path: Path) -> None:
    datadir.prepare(tmp_path / "a" / "b")
    datadir.master_secret(tmp_path / "a" / "b", None)

    assert mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / datadir.MASTER) == 0o600


def test_the_secret_is_long_and_stays(tmp_path: Path) -> None:
    first, second = (datadir.master_secret(tmp_path, None) for _ in range(2))

    assert first == second
    assert len(first) == 64
    assert len(datadir.hs256_secret(tmp_path)) == 64  # enough for HS512
    assert datadir.hs256_secret(tmp_path) != first


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ProcessPoolExecutor(8, mp_context=get_context("spawn")) as pool:
        secrets = set(pool.map(datadir.master_secret, [tmp_path] * 32, [None] * 32))

    assert len(secrets) == 1
    assert [file.name for file in tmp_path.iterdir()] == [datadir.MASTER]


def test_a_database_without_its_secret_gets_no_new_one(tmp_path: Path) -> None:
    (tmp_path / "jotgate.db").touch()

    with pytest.raises(StartError, match=r"master\.secret is missing"):
        datadir.master_secret(tmp_path, tmp_path / "jotgate.db")

    assert not (tmp_path / datadir.MASTER).exists()


@pytest.mark.parametrize("permissions", [0o701, 0o710, 0o750, 0o755, 0o777, 0o704])
def test_it_is_refused_when_others_can_enter(tmp_path: Path, permissions: int) -> None:
    tmp_path.chmod(permissions)

    with pytest.raises(StartError, match="chmod 700"):
        datadir.prepare(tmp_path)


def test_a_new_secret_keeps_the_one_before(tmp_path: Path) -> None:
    before = datadir.master_secret(tmp_path, None)

    after = datadir.renew_master(tmp_path)

    assert after != before
    assert datadir.master_secret(tmp_path, None) == after
    assert datadir.master_before(tmp_path) == (before,)
    assert {mode(file) for file in tmp_path.iterdir()} == {0o600}


def test_the_issuer_is_noted_once(tmp_path: Path) -> None:
    noted = [datadir.issuer(tmp_path)]
    for url in ("https://a.example", "https://a.example", "https://b.example"):
        datadir.note_issuer(tmp_path, url)
        noted.append(datadir.issuer(tmp_path))

    assert noted == [None, "https://a.example", "https://a.example", "https://b.example"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    datadir.write_over(tmp_path / "file", b"first")
    datadir.write_once(tmp_path / "file", b"second")
    once = (tmp_path / "file").read_bytes()
    datadir.write_over(tmp_path / "file", b"third")

    assert (once, (tmp_path / "file").read_bytes()) == (b"first", b"third")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
