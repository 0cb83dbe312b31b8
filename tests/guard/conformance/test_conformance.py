"""Every framework, behind the server that it runs behind, gives the same answers to the same requests."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from jotgate.errors import JotgateError
from jotgate.wire import challenge
from tests.guard.conformance import served
from tests.guard.conformance.table import HOST, Row, news, rows
from tests.guard.standin import StandIn, issuing

HERE = Path(__file__).parent
FRAMEWORKS = sorted(path.stem for path in (HERE / "apps").glob("*.py") if path.stem != "__init__")
APPLICATION = f"{served.__name__}:application"
SERVERS = {
    "asgi": ["uvicorn", APPLICATION, "--factory", "--fd", "{fd}", "--log-level", "warning", "--no-access-log"],
    "wsgi": ["gunicorn", f"{APPLICATION}()", "--bind", "fd://{fd}", "--threads", "2", "--log-level", "warning",
             "--limit-request-field_size", "16000", "--no-control-socket"],
}  # fmt: skip
ANSWERED = ("Content-Type", "Cache-Control", "WWW-Authenticate", "Retry-After")


@contextmanager
def serving(framework: str, issuer: str, *, cookie: bool) -> Iterator[int]:
    """The application in a server process of its own; the port. Requests wait in the backlog until it is ready."""
    kind = import_module(f"tests.guard.conformance.apps.{framework}").KIND
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        told = {
            served.FRAMEWORK: framework,
            served.ISSUER: issuer,
            served.BY_COOKIE: "yes" if cookie else "no",
            "PYTHONPATH": str(HERE.parents[2]),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(fd=listener.fileno()) for part in SERVERS[kind])],
            env=os.environ | told,
            pass_fds=[listener.fileno()],
        )
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait(20)


def asked(port: int, row: Row) -> tuple[int, dict[str, list[str]], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(row.method, row.path, skip_host=True, skip_accept_encoding=True)
        for name, value in (("Host", HOST), ("Content-Length", "0"), *row.headers):
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name: answer.headers.get_all(name, []) for name in ANSWERED}, answer.read()
    finally:
        connection.close()


def difference(port: int, row: Row) -> str | None:
    """What is wrong with the answer, or None."""
    status, headers, body = asked(port, row)
    if not isinstance(row.answer, JotgateError):
        right = status == 200 and json.loads(body) == {"sub": row.answer}
        return None if right else f"{row.name}: {status} {body!r}, and {row.answer} was to come in"
    wanted = challenge.answer(row.answer, realm="api")
    expected = {name: [value for key, value in wanted.headers if key == name] for name in ANSWERED}
    if (status, headers, body) == (wanted.status, expected, wanted.body):
        return None
    return f"{row.name}: {status} {headers} {body!r}\n  and not {wanted.status} {expected} {wanted.body!r}"


@pytest.mark.parametrize("cookie", [False, True], ids=["bearer", "cookie"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_answers_are_the_same_in_every_framework(framework: str, *, cookie: bool) -> None:
    with issuing(StandIn()) as issuer, serving(framework, issuer.url, cookie=cookie) as port:
        news(issuer)

        wrong = [difference(port, row) for row in rows(issuer, cookie=cookie)]

    assert not [complaint for complaint in wrong if complaint], "\n".join(filter(None, wrong))


def test_every_adapter_is_here() -> None:
    adapters = {"asgi", "starlette", "fastapi", "litestar", "wsgi", "flask", "quart", "django", "drf"}

    assert adapters <= set(FRAMEWORKS)
