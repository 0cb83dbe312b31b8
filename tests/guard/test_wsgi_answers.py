"""What a guarded WSGI application answers: held back until its first chunk, and then its own (PEP 3333)."""

import io
import sys
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from jotgate.errors import Forbidden, RoleMissing, ScopeMissing
from jotgate.guard.wsgi import GuardMiddleware
from tests.guard.test_wsgi import GUARD, asked, hello, play, token


def before_it_answers(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    environ["jotgate.principal"].require(role="owner")
    raise AssertionError


def after_start_response(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    hello(environ, start_response)
    raise RoleMissing


def in_its_generator(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    environ["jotgate.principal"].require(role="owner")
    yield from hello(environ, start_response)


def in_its_generator_after_start_response(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    yield from [chunk for chunk in hello(environ, start_response) if not chunk]
    raise RoleMissing


@pytest.mark.parametrize(
    "app", [before_it_answers, after_start_response, in_its_generator, in_its_generator_after_start_response]
)
def test_what_is_forbidden_before_the_first_chunk_is_answered(app: WSGIApplication) -> None:
    status, headers, body = play(validator(GuardMiddleware(app, GUARD)), asked(f"Bearer {token()}"))

    answer = GUARD.answer(RoleMissing())
    assert (status, body) == ("403 Forbidden", answer.body)
    assert headers == {**dict(answer.headers), "Content-Length": str(len(body))}


def after_a_chunk(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    yield from hello(environ, start_response)
    raise ScopeMissing


def after_a_write(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])(b"ada")
    raise ScopeMissing


@pytest.mark.parametrize("app", [after_a_chunk, after_a_write])
def test_an_answer_that_has_begun_cannot_be_taken_back(app: WSGIApplication) -> None:
    with pytest.raises(Forbidden):
        play(GuardMiddleware(app, GUARD), asked(f"Bearer {token()}"))


def test_other_errors_are_the_applications_own() -> None:
    def broken(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        yield from ()
        raise KeyError("x")

    with pytest.raises(KeyError):
        play(GuardMiddleware(broken, GUARD), asked(f"Bearer {token()}"))


# --- what PEP 3333 promises to applications


def writes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", [])
    write(b"a")
    write(b"b")
    return [b"c"]


def thinks_better_of_it(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("500 Internal Server Error", [])
    try:
        int("x")
    except ValueError:
        start_response("200 OK", [], sys.exc_info())
    yield b"abc"


def says_nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return iter(())


def in_pieces(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield from (b"", b"a", b"bc")


@pytest.mark.parametrize(
    ("app", "body"), [(writes, b"abc"), (thinks_better_of_it, b"abc"), (says_nothing, b""), (in_pieces, b"abc")]
)
def test_however_an_application_answers(app: WSGIApplication, body: bytes) -> None:
    assert play(GuardMiddleware(app, GUARD), asked(f"Bearer {token()}")) == ("200 OK", {}, body)


def test_a_late_error_of_the_applications_own_is_the_servers_to_decide() -> None:
    def late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        yield from hello(environ, start_response)
        try:
            int("x")
        except ValueError:
            start_response("500 Internal Server Error", [], sys.exc_info())

    with pytest.raises(ValueError, match="invalid literal"):
        play(GuardMiddleware(late, GUARD), asked(f"Bearer {token()}"))


def answering(chunks: Iterable[bytes]) -> WSGIApplication:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return chunks

    return application


class Chunks:
    """Something that holds a file, or a connection."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self._chunks = chunks
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("chunks", [Chunks(b"a", b"b"), Chunks(RoleMissing()), Chunks(b"a", RoleMissing()), Chunks()])
def test_what_the_application_holds_is_freed(chunks: Chunks) -> None:
    try:
        play(GuardMiddleware(answering(chunks), GUARD), asked(f"Bearer {token()}"))
    except RoleMissing:
        assert chunks._chunks[0] == b"a"

    assert chunks.closed == 1


def test_it_is_freed_too_when_the_client_has_gone() -> None:
    held = [Chunks(b"a"), Chunks(b"a", b"b")]

    for chunks, read in zip(held, (0, 1), strict=True):
        app = GuardMiddleware(answering(chunks), GUARD)
        answered = app(asked(f"Bearer {token()}"), lambda *_: lambda _: None)
        for _ in zip(range(read), answered, strict=False):
            pass
        answered.close()  # type: ignore[attr-defined]  # as a server does where it is there

    assert [chunks.closed for chunks in held] == [1, 1]


def test_what_a_server_can_send_by_itself_reaches_it_as_it_is() -> None:
    given: list[Iterable[bytes]] = [[b"a"], (b"a", b"b"), FileWrapper(io.BytesIO(b"abc"))]

    for chunks in given:
        app = GuardMiddleware(answering(chunks), GUARD)
        environ = asked(f"Bearer {token()}") | {"wsgi.file_wrapper": FileWrapper}

        assert app(environ, lambda *_: lambda _: None) is chunks
