"""One page with the module: errors, reloads, bodies that are sent again, and an issuer that is away."""

import time
from collections.abc import Iterator

import pytest

from tests.browser.conftest import DUE, EMAIL, Chromium, Place, Window, placing, windowing
from tests.guard.standin import wait_for
from tests.live.people import PASSWORD
from tests.live.proxy import always

LIFE = 900
REFUSED = """await gate.%s(value).then(
    () => "it did not fail",
    (error) => ({ name: error.name, status: error.status, code: error.code, after: error.retryAfter }),
)"""
BODIES = {  # the content type that it gets, and the call
    "text": ("text/plain", 'fetch(url, { method: "POST", body: "some text" })'),
    "json": (
        "application/json",
        'fetch(url, { method: "PUT", body: "[1]", headers: { "Content-Type": "application/json" } })',
    ),
    "fields": (
        "application/x-www-form-urlencoded",
        'fetch(url, { method: "POST", body: new URLSearchParams({ a: 1 }) })',
    ),
    "form": ("multipart/form-data", 'fetch(url, { method: "POST", body: form })'),
    "blob": ("text/css", 'fetch(url, { method: "POST", body: new Blob(["p {}"], { type: "text/css" }) })'),
    "request": ("text/plain", 'fetch(new Request(url, { method: "PUT", body: "in a request" }))'),
    "both": ("text/plain", 'fetch(new Request(url, { method: "PUT" }), { method: "post", body: "over it" })'),
}


@pytest.fixture(scope="module", params=["bearer", "cookie"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with placing(tmp_path_factory.mktemp(request.param), transport=request.param) as place:
        yield place


@pytest.fixture
def window(chromium: Chromium, place: Place) -> Iterator[Window]:
    with windowing(chromium, place) as window:
        yield window


def expire_until_refreshed(place: Place) -> None:
    """What the API's guard has been shown is too old; what comes of a refresh is good."""
    place.calm()
    place.guard.clock = lambda: time.time() + (0 if place.refreshes else LIFE + 1)


def test_login_lets_in_and_says_who(window: Window) -> None:
    tab = window()
    before = [tab.logged_in(), tab.status(), tab.run("await gate.me()")]

    tab.login()

    assert before == [False, 401, None]
    assert [tab.logged_in(), tab.status()] == [True, 200]
    assert tab.run("(await gate.me()).email") == EMAIL
    assert tab.events() == ["login"]


def test_a_wrong_password_is_an_error_with_the_issuers_code(place: Place, window: Window) -> None:
    tab = window()

    error = tab.run(REFUSED % "login", {"email": EMAIL, "password": "not the right passphrase"})

    assert error == {"name": "AuthError", "status": 401, "code": "invalid_credentials", "after": None}
    assert [tab.logged_in(), tab.events()] == [False, []]
    assert place.proxy.count(place.at("login")) == 1  # nobody guesses on


def test_a_login_that_is_not_answered_is_an_error_and_no_login(place: Place, window: Window) -> None:
    tab = window()
    place.proxy.lose = always(place.at("login"))

    error = tab.run(REFUSED % "login", {"email": EMAIL, "password": PASSWORD})

    assert error["name"] == "TypeError"  # what fetch says
    assert tab.logged_in() is False


def test_a_reload_keeps_the_session_and_refreshes_nothing(place: Place, window: Window) -> None:
    window().login()

    tab = window()  # as good as a reload

    assert [tab.logged_in(), tab.status()] == [True, 200]
    assert place.refreshes == 0


def test_a_request_is_sent_again_with_its_body(place: Place, window: Window) -> None:
    tab = window()
    tab.login()

    for media_type, call in BODIES.values():
        script = f"((form, url) => (form.set('a', 'b'), gate.{call}))(new FormData(), '/api/echo')"
        plain = tab.run(f"await (await {script}).json()")
        expire_until_refreshed(place)

        again = tab.run(f"await (await {script}).json()")

        assert plain["kind"] == media_type
        assert plain["body"]
        assert (again["method"], again["kind"]) == (plain["method"], plain["kind"])
        assert len(again["body"]) == len(plain["body"])  # the boundary of a form is another one
        assert place.refreshes == 1
        place.calm()


def test_a_second_refusal_is_the_answer(place: Place, window: Window) -> None:
    tab = window()
    tab.login()
    place.guard.clock = lambda: time.time() + LIFE + 1  # whatever it is shown

    status = tab.status()

    assert status == 401
    assert place.refreshes == 1
    assert tab.logged_in() is True  # the issuer did not say that it is over


def test_stale_claims_are_renewed(place: Place, window: Window) -> None:
    tab = window()
    tab.login("bob@example.com")
    place.issuer.cli("user", "role", "bob@example.com", "member")

    def renewed() -> bool:
        assert tab.status() == 200
        return place.refreshes > 0

    wait_for(renewed)
    assert place.refreshes == 1


def test_what_is_only_forbidden_refreshes_nothing(place: Place, window: Window) -> None:
    tab = window()
    tab.login()

    status = tab.status(place.at("admin/users"))

    assert status in {401, 403}  # not for this audience, not with this scope
    assert place.refreshes == 0


def test_an_authorization_of_the_callers_own_is_left_alone(place: Place, window: Window) -> None:
    tab = window()
    tab.login()

    tab.status("/api/hello", {"headers": {"Authorization": "Basic YTpi"}})

    sent = [passed.headers["authorization"] for passed in place.proxy.passed if passed.path == "/api/hello"]
    assert sent == ["Basic YTpi"]


def test_while_the_issuer_is_away_the_api_goes_on(place: Place, window: Window) -> None:
    tab = window()
    tab.login()
    place.proxy.lose = always(place.at("refresh"), loss="request")
    tab.run(DUE)

    statuses = [tab.status() for _ in range(2)]

    assert statuses == [200, 200]
    assert tab.logged_in() is True


def test_an_expired_token_fails_while_the_issuer_is_away_and_is_renewed_afterwards(
    place: Place, window: Window
) -> None:
    tab = window()
    tab.login()
    expire_until_refreshed(place)
    place.proxy.lose = always(place.at("refresh"), loss="request")

    place.guard.clock = lambda: time.time() + LIFE + 1
    error = tab.run(REFUSED % "fetch", "/api/hello")
    place.calm()

    assert error["name"] == "TypeError"
    assert [tab.logged_in(), tab.status()] == [True, 200]


def test_a_logout_that_the_issuer_does_not_hear_of_is_an_error(place: Place, window: Window) -> None:
    tab = window()
    tab.login()
    place.proxy.lose = always(place.at("logout"), loss="request")

    error = tab.run(REFUSED % "logout")

    assert error["name"] == "TypeError"
    assert place.proxy.count(place.at("logout")) == 5
    assert tab.logged_in() is (place.transport == "cookie")  # which only the issuer can take back
