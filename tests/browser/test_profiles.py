"""The module beside other issuers: below a path, without a prefix, with other names, without refresh, both ways."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.conftest import DUE, Chromium, Place, Window, placing, windowing
from tests.browser.site import pages
from tests.guard.standin import served
from tests.live.people import PASSWORD


@contextmanager
def opening(chromium: Chromium, home: Path, **settings: str) -> Iterator[tuple[Place, Window]]:
    with placing(home, **settings) as place, windowing(chromium, place) as window:
        yield place, window


def test_camel_below_a_path(chromium: Chromium, tmp_path: Path) -> None:
    with opening(chromium, tmp_path, below="/sso", prefix="", PROFILE="camel") as (place, window):
        place.issuer.cli("user", "add", "--username", "cleo", "--password-stdin", given=PASSWORD)
        tab = window()

        tab.run("await gate.login(value)", {"username": "cleo", "password": PASSWORD})
        due = tab.run("JSON.parse(Object.values(localStorage)[0]).due - Date.now()")
        place.proxy.passed.clear()
        tab.run(DUE)

        assert place.module == "/sso/client.js"
        assert 3560_000 < due <= 3570_000  # 30 s before its hour is over
        assert tab.status() == 200
        assert place.proxy.count("/sso/refresh") == 1
        tab.run("await gate.logout()")
        assert place.proxy.count("/sso/logout") == 1
        assert [tab.status(), tab.logged_in()] == [401, False]


def test_without_refresh_a_session_ends_with_its_token(chromium: Chromium, tmp_path: Path) -> None:
    with opening(chromium, tmp_path, PROFILE="stateless") as (place, window):
        tab = window()
        tab.login()
        good = tab.status()
        place.guard.clock = lambda: time.time() + 90_000

        late = tab.status()

        assert (good, late) == (200, 401)
        assert [tab.logged_in(), tab.events()] == [False, ["login", "logout"]]
        assert place.refreshes == 0


def test_without_a_logout_route_the_token_is_forgotten(chromium: Chromium, tmp_path: Path) -> None:
    with opening(chromium, tmp_path, PROFILE="stateless") as (_, window):
        tab = window()
        tab.login()

        tab.run("await gate.logout()")

        assert [tab.logged_in(), tab.run("Object.keys(localStorage)")] == [False, []]


def test_with_both_transports_pages_of_the_issuers_host_use_cookies_and_others_bearer(
    chromium: Chromium, tmp_path: Path
) -> None:
    with served(pages()) as url:
        other = url.replace("127.0.0.1", "localhost")
        with opening(chromium, tmp_path, transport="both", CORS_ORIGINS=other) as (place, window):
            here, there = window(), window(page=other, module=place.url + place.module)
            here.login()
            there.login()

            held = [tab.run("Object.keys(localStorage)[0].split(' ')[2]") for tab in (here, there)]
            cookies = [tab.run("document.cookie.split('=')[0]") for tab in (here, there)]

            assert held == ["cookie", "bearer"]
            assert cookies == ["jotgate-csrf", ""]
            assert [tab.run("(await gate.me()).email") for tab in (here, there)] == ["ada@example.com"] * 2


def test_a_bearer_session_where_cookies_are_possible_sets_none(chromium: Chromium, tmp_path: Path) -> None:
    with opening(chromium, tmp_path, transport="both") as (place, window):
        tab = window(options="{ transport: 'bearer' }")
        tab.login()
        tab.run(DUE)

        statuses = [tab.status(), tab.status(place.at("me")), tab.status("/api/echo", {"method": "POST"})]

        assert statuses == [200, 200, 200]
        assert place.refreshes == 1
        assert window.cookies() == []


def test_a_session_in_memory_is_for_one_page(chromium: Chromium, tmp_path: Path) -> None:
    with opening(chromium, tmp_path) as (_, window):
        tab, other = window(options="{ storage: null }"), window()
        tab.login()

        assert [tab.status(), other.status()] == [200, 401]
        assert tab.run("Object.keys(localStorage)") == []


def test_whoever_guesses_is_told_when_to_try_again(chromium: Chromium, tmp_path: Path) -> None:
    guess = """await (async (error = {}, tries = 0) => {
        while (error.status !== 429 && ++tries < 50) error = await gate.login(value).catch((thrown) => thrown);
        return [error.code, error.retryAfter];
    })()"""
    with opening(chromium, tmp_path) as (_, window):
        code, seconds = window().run(guess, {"email": "ada@example.com", "password": "not the right passphrase"})

    assert code == "throttled"
    assert seconds >= 1
