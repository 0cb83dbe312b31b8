"""Who is asking, in Flask: there for a guarded request, and for nothing else."""

from collections.abc import Iterator

import pytest
from flask import Response, stream_with_context

from jotgate.guard.flask import current_principal
from jotgate.guard.principal import Principal
from jotgate.guard.wsgi import GuardMiddleware
from tests.guard.test_flask import GUARD, application, bearer, home


def test_where_nobody_was_asked_for_a_token_nobody_is_there() -> None:
    seen: list[bool] = []

    def forgotten() -> str:
        seen.append(bool(current_principal))
        return current_principal.sub

    client = application(forgotten=forgotten)

    assert client.get("/forgotten", headers=bearer()).status_code == 500
    assert seen == [False]
    client.application.testing = True
    with pytest.raises(RuntimeError, match="forgotten asks nobody for a token"):
        client.get("/forgotten", headers=bearer())


def test_outside_of_a_request_nobody_is_there() -> None:
    assert not current_principal
    with pytest.raises(RuntimeError, match="outside of request context"):
        _ = current_principal.sub


def test_a_view_that_needs_somebody_after_all_refuses_nobody() -> None:
    client = application(me=GUARD.required(optional=True)(lambda: current_principal.sub))

    refused = client.get("/me")

    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')


def test_who_is_asking_is_a_principal_and_no_other_requests() -> None:
    kinds: list[type] = []

    def seen() -> str:
        assert isinstance(current_principal, Principal)
        kinds.append(type(current_principal))
        return current_principal.sub

    client = application(seen=GUARD.required()(seen), home=home)

    with client.application.app_context():  # which all requests share, and `g` with it
        assert client.get("/seen", headers=bearer()).text == "ada"
        assert client.get("/home").text == "Hello, stranger"


def test_it_is_still_there_while_the_answer_is_streamed() -> None:
    def stream() -> Iterator[str]:
        yield current_principal.sub

    client = application(stream=GUARD.required()(lambda: Response(stream_with_context(stream()))))

    assert client.get("/stream", headers=bearer()).text == "ada"


def test_whom_a_middleware_let_in_is_known_too() -> None:
    client = application(page=lambda: current_principal.sub)
    app = client.application
    app.wsgi_app = GuardMiddleware(app.wsgi_app, GUARD)  # type: ignore[method-assign]  # as Flask says to

    assert client.get("/page", headers=bearer()).text == "ada"
    assert client.get("/page").status_code == 401
