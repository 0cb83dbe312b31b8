"""The guard before a WSGI application in the servers that people use: threads, forks, and what they do to headers."""

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import WSGIApplication

import httpx2
import pytest
from werkzeug.serving import make_server as make_werkzeug_server

from jotgate.guard.wsgi import GuardMiddleware
from tests.guard.processes import running
from tests.guard.standin import StandIn
from tests.guard.test_wsgi import GUARD, hello, token

APPLICATION = """
from jotgate import Guard
from jotgate.guard.wsgi import GuardMiddleware

def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    who = environ.get("jotgate.principal")
    yield (who.sub if who else "nobody").encode()

app = GuardMiddleware(hello, Guard.from_env(), exclude=["/healthz"])
"""


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
        pass


@contextmanager
def by_wsgiref(app: WSGIApplication) -> Iterator[str]:
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def by_werkzeug(app: WSGIApplication) -> Iterator[str]:
    server = make_werkzeug_server("127.0.0.1", 0, app, threaded=True)
    server.log = lambda *_: None  # type: ignore[method-assign]  # it writes a line for each request
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def statuses(url: str, *requests: list[tuple[str, str]]) -> list[tuple[int, str]]:
    """Status and `WWW-Authenticate`; headers are sent as they are given, twice if they are given twice."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    found = []
    for headers in requests:
        connection.putrequest("GET", "/x")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        found.append((answer.status, answer.headers.get("WWW-Authenticate", "")))
    connection.close()
    return found


def check_credentials(url: str, good: str) -> None:
    bearer = ("Authorization", f"Bearer {good}")

    found = statuses(
        url,
        [bearer],
        [],
        [bearer, bearer],
        [("Authorization", "Basic YTpi"), bearer],
        [bearer, ("authorization", "Basic YTpi")],
        [("Authorization_", f"Bearer {good}")],
    )

    ambiguous = (400, 'Bearer realm="api", error="invalid_request"')
    missing = (401, 'Bearer realm="api"')
    assert found == [(200, ""), missing, ambiguous, ambiguous, ambiguous, missing]


@pytest.mark.parametrize("serve", [by_wsgiref, by_werkzeug])
def test_two_credentials_are_refused_however_a_server_joins_them(serve: type) -> None:
    with serve(GuardMiddleware(hello, GUARD)) as url:
        check_credentials(url, token())


@pytest.mark.parametrize("server", [["gunicorn", "--preload"], ["gunicorn"]], ids=" ".join)
def test_processes_and_threads_of_gunicorn(tmp_path: Path, issuer: StandIn, server: list[str]) -> None:
    (tmp_path / "service.py").write_text(APPLICATION)
    command = [*server, "--bind=127.0.0.1:0", "--workers=2", "--threads=4", "service:app"]

    with running(tmp_path, *command, JOTGATE_ISSUER=issuer.url) as url, ThreadPoolExecutor(8) as crowd:
        good = {"Authorization": f"Bearer {issuer.token()}"}
        answers = list(crowd.map(lambda _: httpx2.get(url, headers=good), range(40)))
        check_credentials(url, issuer.token(jti="j2"))
        health = httpx2.get(f"{url}/healthz")

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.text for answer in answers} == {"ada"}
    assert 1 <= issuer.keys_asked <= 2  # once in each process that was asked at all
    assert health.text == "nobody"
