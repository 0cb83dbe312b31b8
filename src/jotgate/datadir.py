"""The data directory: ours alone (0700), with the secrets that no database holds (0600).

found                                    answer
-----                                    ------
nothing                                  made, 0700
not a directory, or not writable         refused
another user's                           refused
readable by group or others              refused
no secret, no database                   a new secret, written whole or not at all
no secret beside a database              refused: a new one would open nothing in it
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jotgate.errors import StartError

MASTER = "master.secret"
MASTER_BEFORE = "master.secret.before"
HS256 = "hs256.secret"
ISSUER = "issuer"
_MINIMUM = 32


def prepare(directory: Path) -> None:
    """Make the directory, or see that it is fit. Raises `StartError` that says what to do."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = directory.stat()
    except FileExistsError:
        raise StartError(f"{directory} is not a directory: move it away or set JOTGATE_DATA_DIR") from None
    except OSError as error:
        raise StartError(
            f"{directory}: the data directory cannot be made ({error.strerror}); set JOTGATE_DATA_DIR"
        ) from None
    if complaint := unfit(directory, state):
        raise StartError(complaint)


def unfit(directory: Path, state: os.stat_result) -> str | None:
    """Why this is no place for keys, and what to do about it."""
    if state.st_uid != os.geteuid():
        own = directory / "jotgate"
        return (
            f"{directory} belongs to another user (id {state.st_uid}, we are {os.geteuid()}): "
            f"run jotgate as that user, or set JOTGATE_DATA_DIR to a directory of its own, such as {own}"
        )
    if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"{directory} is open to other users (mode {stat.S_IMODE(state.st_mode):04o}): chmod 700 {directory}"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"{directory} is not writable: chmod 700 {directory}, or set JOTGATE_DATA_DIR"
    return None


def master_secret(directory: Path, database: Path | None) -> bytes:
    """The secret in the directory; the first start makes it. Raises `StartError`."""
    path = directory / MASTER
    if not path.exists() and database is not None and database.exists():
        raise StartError(
            f"{path} is missing, and no other secret can open the keys in {database}: "
            "put the file back, or give the secret in JOTGATE_SECRET or JOTGATE_SECRET_FILE"
        )
    return _read_or_make(path)


def master_before(directory: Path) -> tuple[bytes, ...]:
    """The secret that `renew_master` replaced, if it is still there."""
    path = directory / MASTER_BEFORE
    return (read_secret(path),) if path.exists() else ()


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Nobody else renews the secret here: of two at once one could seal keys under a secret that the other replaced.

    Nor does anybody put another database here meanwhile.

    Raises `StartError`.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StartError(
            f"the secret in {directory} is being rotated, or its database moved or restored, by another command: "
            "wait for its end"
        ) from None
    finally:
        os.close(descriptor)


def renew_master(directory: Path) -> bytes:
    """Put a new secret in the place of the one that is there, which is kept: what it sealed must still open.

    To be called inside of `alone`, and what the secret seals sealed anew there too.
    """
    write_over(directory / MASTER_BEFORE, read_secret(directory / MASTER) + b"\n")
    write_over(directory / MASTER, _made_up() + b"\n")
    return read_secret(directory / MASTER)


def issuer(directory: Path) -> str | None:
    """Who the server here was when it started last."""
    try:
        return (directory / ISSUER).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def note_issuer(directory: Path, url: str) -> None:
    """Let commands know under which issuer they work, also where only a flag of `serve` said it."""
    if issuer(directory) != url:
        write_over(directory / ISSUER, f"{url}\n".encode())


def hs256_secret(directory: Path) -> bytes:
    """The secret that guards share where the algorithm is HS256; the first start makes it. Raises `StartError`."""
    return _read_or_make(directory / HS256)


def _read_or_make(path: Path) -> bytes:
    try:
        if not path.exists():
            write_once(path, _made_up() + b"\n")
    except OSError as error:
        raise StartError(f"{path}: the secret cannot be made ({error.strerror})") from None
    return read_secret(path)


def _made_up() -> bytes:
    """Long enough for HS512 too."""
    return secrets.token_urlsafe(48).encode()


def read_secret(path: Path) -> bytes:
    """The secret in a file. Raises `StartError`."""
    try:
        state, text = path.stat(), path.read_bytes().strip()
    except OSError as error:
        raise StartError(f"{path}: the secret cannot be read ({error.strerror})") from None
    if complaint := unfit_secret(path, state, text):
        raise StartError(complaint)
    return text


def unfit_secret(path: Path, state: os.stat_result, text: bytes) -> str | None:
    """Why this file is no secret, and what to do about it."""
    if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"{path} is open to other users (mode {stat.S_IMODE(state.st_mode):04o}): chmod 600 {path}"
    if len(text) < _MINIMUM:
        return f"{path} holds no secret (at least {_MINIMUM} characters): put the right file back"
    return None


def write_once(path: Path, content: bytes) -> None:
    """Write a 0600 file whole, unless another process was quicker: then its file stands."""
    with suppress(FileExistsError):
        _write(path, content, os.link)


def write_over(path: Path, content: bytes) -> None:
    """Write a 0600 file whole in the place of the one that is there."""
    _write(path, content, os.replace)


def _write(path: Path, content: bytes, put: Callable[[Path, Path], None]) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        put(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
