"""A real PgBouncer in transaction mode, where the system has one: Debian's package pgbouncer."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.live.process import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooling(url: str) -> Iterator[str]:
    """The URL of the same database through a PgBouncer that keeps two connections to it."""
    assert PROGRAM
    parts, port = urlsplit(url), free_port()
    folder = Path(tempfile.mkdtemp(prefix="jotgate-pgbouncer-"))
    name = parts.path[1:]
    config = f"""[databases]
{name} = host={parts.hostname} port={parts.port} dbname={name} pool_size=2
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
"""
    secret = f" password={parts.password}" if parts.password else ""
    config = config.replace(f"dbname={name}", f"dbname={name} user={parts.username}{secret}")
    (folder / "pgbouncer.ini").write_text(config)
    become: list[str] = []
    if not os.geteuid():
        nobody = pwd.getpwnam("nobody")
        shutil.chown(folder, "nobody")
        become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    with (folder / "pgbouncer.log").open("ab") as log:
        process = subprocess.Popen([*become, PROGRAM, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, cwd="/")
    try:
        _wait_for(port, process, folder / "pgbouncer.log")
        yield urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))
    finally:
        process.kill()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
