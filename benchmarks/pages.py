"""Where the pages of a database are: in memory, as where it has been at work for an hour, or on the disk.

The system gives memory back that was not used for a while, and in a benchmark that is most of a large database. Held
pages stay: they are locked (`mlock`, for which one has to be root or have the limit raised), and read once, so that
they are there for the processor too.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_SMALLEST = 1 << 20  # bytes of a file that is worth it
_PIECE = 1 << 24
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mlock.argtypes = _libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


@contextmanager
def held(folders: Iterable[Path]) -> Iterator[None]:
    """Every large file below the folders is in memory."""
    with ExitStack() as stack:
        for path in _large(folders):
            stack.enter_context(_held(path))
        yield


def put_out(folders: Iterable[Path]) -> None:
    """Let the system forget the pages of the large files below the folders, but for what it still has to write."""
    os.sync()
    for path in _large(folders):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _large(folders: Iterable[Path]) -> list[Path]:
    return [file for folder in folders for file in folder.rglob("*") if file.is_file() and _size(file) >= _SMALLEST]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _held(path: Path) -> Iterator[None]:
    with path.open("rb") as file:
        size = _size(path)
        at = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        if at == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), f"{path} cannot be mapped")
        try:
            if _libc.mlock(at, size):
                print(f"  {path.name} may leave memory: it cannot be locked there", file=sys.stderr, flush=True)
            while file.read(_PIECE):
                pass
            yield
        finally:
            _libc.munmap(at, size)
