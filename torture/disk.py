"""A small disk for SQLite, that can be full; and any process's disk, that can be slow.

with                          full is                                         slow is
----                          -------                                         -------
root, and leave to mount      a tmpfs of a few megabytes, all of it taken     strace, which holds every fdatasync
less                          a limit on the size of the process's files      and fsync of the process back
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_MEGABYTES = 64
_ATTACHED_WITHIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder; `small` where it is a disk of its own."""

    path: Path
    small: bool

    @contextmanager
    def full(self, pid: int) -> Iterator[None]:
        """No room for anything new, as the process sees it."""
        if self.small:
            with _taken(self.path):
                yield
        else:
            with _limited(self.path, pid):
                yield


@contextmanager
def small_disk(path: Path) -> Iterator[Disk]:
    """A tmpfs if it may be mounted, else a folder."""
    path.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    options = ("-t", "tmpfs", "-o", f"size={_MEGABYTES}m,mode=700", "jotgate-torture", str(path))
    if not (mount and umount and os.geteuid() == 0 and not _run(mount, *options)):
        yield Disk(path, small=False)
        return
    try:
        yield Disk(path, small=True)
    finally:
        _run(umount, "--lazy", str(path))


@asynccontextmanager
async def slow(pid: int, *, seconds: float) -> AsyncIterator[None]:
    """Each time that the process waits for its disk, it waits so much longer. Raises `OSError` where that cannot be."""
    tracer = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-qq", "-o", "/dev/null", "-p", str(pid), "-e", "trace=fdatasync,fsync"),
        *("-e", f"inject=fdatasync,fsync:delay_enter={int(seconds * 1e6)}"),
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_ATTACHED_WITHIN_SECONDS):
            while not _is_traced(pid):
                if tracer.returncode is not None:
                    raise OSError(f"strace may not look at other processes (exit code {tracer.returncode})")
                await asyncio.sleep(0.01)
        yield
    finally:
        if tracer.returncode is None:
            tracer.send_signal(signal.SIGTERM)  # it lets go of the process
        await tracer.wait()


def can_be_slow() -> str:
    """Why not, or nothing."""
    if shutil.which("strace") is None:
        return "strace is not there"
    try:
        scope = int(Path("/proc/sys/kernel/yama/ptrace_scope").read_text())
    except (OSError, ValueError):
        scope = 0
    return "ptrace is restricted" if scope > 0 and os.geteuid() else ""


@contextmanager
def _taken(path: Path) -> Iterator[None]:
    ballast = path / "ballast"
    try:
        with ballast.open("wb") as file:
            _grow(file.fileno(), path)
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _grow(descriptor: int, path: Path) -> None:
    """Until there is no room; others may be quicker with the last of it."""
    size = 0
    while free := shutil.disk_usage(path).free:
        with suppress(OSError):
            os.posix_fallocate(descriptor, size, free)
            size += free


@contextmanager
def _limited(path: Path, pid: int) -> Iterator[None]:
    process = psutil.Process(pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    longest = max((file.stat().st_size for file in path.rglob("*") if file.is_file()), default=0)
    process.rlimit(psutil.RLIMIT_FSIZE, (longest + 8192, before[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, before)


def _is_traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return not any(line.split()[1] == "0" for line in status.splitlines() if line.startswith("TracerPid"))


def _run(*command: str) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode
