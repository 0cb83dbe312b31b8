"""The token file: the table of `jotgate.client.tokenfile`, and that it is whole whatever happens."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from jotgate.client.tokenfile import Saved, TokenFile
from jotgate.client.tokens import Tokens
from jotgate.errors import TokenFileRefused, Unavailable

SAVED = Saved("https://auth.example.com", "/auth", 7, Tokens("a.b.c", "jgr_x", 1000, 1900, -600))


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def written(file: TokenFile, saved: Saved = SAVED) -> None:
    with file.alone(seconds=5):
        file.write(saved)


@pytest.mark.parametrize(
    "saved", [SAVED, Saved("https://auth.example.com", "", 1, Tokens("a", None, 1000, None, 0))], ids=["all", "little"]
)
def test_what_was_written_is_read(file: TokenFile, saved: Saved) -> None:
    written(file, saved)

    assert file.read() == saved
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["tokens.json", "tokens.json.lock"]


def test_nothing_and_an_empty_file_are_no_session(file: TokenFile) -> None:
    assert file.read() is None

    file.path.touch(mode=0o600)

    assert file.read() is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_file_that_is_open_to_others_is_refused(file: TokenFile, mode: int) -> None:
    written(file)
    file.path.chmod(mode)

    with pytest.raises(TokenFileRefused, match="chmod 600"):
        file.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_file_of_another_user_is_refused(file: TokenFile) -> None:
    written(file)
    os.chown(file.path, 65534, 65534)

    with pytest.raises(TokenFileRefused, match="another user"):
        file.read()


@pytest.mark.parametrize(
    "content",
    [
        b"x", b"[]", b"{}", b"\xff", b'{"format": 2}', b'{"format": 1}',
        json.dumps({"format": 1, "issuer": "i", "prefix": "", "serial": 1, "access_token": 5, "refresh_token": None,
                    "obtained_at": 1, "expires_at": None, "offset": 0}).encode(),
        b'{"format": 1,' + b" " * 100_000 + b"}",
    ],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_session_of_ours_is_refused(file: TokenFile, content: bytes) -> None:
    file.path.touch(mode=0o600)
    file.path.write_bytes(content)

    with pytest.raises(TokenFileRefused, match="remove it"):
        file.read()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_directory_or_a_pipe_is_no_file(file: TokenFile, make: Callable[[Path], None]) -> None:
    make(file.path)

    with pytest.raises(TokenFileRefused, match="no file"):
        file.read()


def test_a_place_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wall").touch()
    file = TokenFile(tmp_path / "wall" / "tokens.json")

    with pytest.raises(TokenFileRefused, match="cannot be opened"), file.alone(seconds=1):
        pass
    with pytest.raises(TokenFileRefused, match="cannot be read"):
        file.read()


def test_a_lock_that_leads_elsewhere_is_not_followed(file: TokenFile, tmp_path: Path) -> None:
    (tmp_path / "tokens.json.lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(TokenFileRefused, match="cannot be opened"), file.alone(seconds=1):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_what_a_killed_writer_left_behind_is_no_obstacle(file: TokenFile) -> None:
    (file.path.parent / ".tokens.json.new").write_bytes(b"half")

    written(file)

    assert file.read() == SAVED


def test_a_link_to_the_file_stays_one(file: TokenFile, tmp_path: Path) -> None:
    written(file)
    link = tmp_path / "link.json"
    link.symlink_to(file.path)

    written(TokenFile(link), Saved(SAVED.issuer, SAVED.prefix, 8, SAVED.tokens))

    assert link.is_symlink()
    assert (file.read() or SAVED).serial == 8


def test_removing_twice_is_fine(file: TokenFile) -> None:
    written(file)

    with file.alone(seconds=1):
        file.remove()
        file.remove()

    assert file.read() is None


def test_one_is_alone_in_there_also_among_threads(file: TokenFile) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter() -> None:
        for _ in range(20):
            with TokenFile(file.path).alone(seconds=30):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(most) == 160
    assert set(most) == {1}


def test_the_lock_is_not_waited_for_without_end(file: TokenFile) -> None:
    with file.alone(seconds=1):
        with pytest.raises(Unavailable), TokenFile(file.path).alone(seconds=0.05):
            pass
        with pytest.raises(Unavailable), TokenFile(file.path).alone(seconds=0):
            pass
    with file.alone(seconds=0):
        pass


def test_a_child_does_not_keep_its_parents_lock(file: TokenFile) -> None:
    script = """
import os, sys
from jotgate.client.tokenfile import TokenFile
with TokenFile(sys.argv[1]).alone(seconds=1):
    if os.fork() == 0:
        print("forked", flush=True)
        sys.stdin.readline()
    os._exit(0)  # as if it were killed
"""
    command = [sys.executable, "-W", "ignore", "-c", script, str(file.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "forked\n"
        parent.wait()

        with file.alone(seconds=0):  # though the child lives on
            pass


def test_a_reader_never_sees_half_a_file(file: TokenFile) -> None:
    written(file)
    done: list[bool] = []

    def write() -> None:
        for serial in range(8, 60):
            written(file, Saved(SAVED.issuer, SAVED.prefix, serial, Tokens("a" * serial * 50, "r")))
        done.append(True)

    writer = Thread(target=write)
    writer.start()
    serials = []
    while not done:
        saved = file.read()
        assert saved is not None
        serials.append(saved.serial)
    writer.join()

    assert serials == sorted(serials)
