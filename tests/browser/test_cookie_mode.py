"""Cookie mode: scripts hold no token, and the csrf value goes along by itself."""

from collections.abc import Iterator

import pytest

from tests.browser.conftest import Chromium, Place, Window, placing, windowing
from tests.guard.standin import wait_for


@pytest.fixture(scope="module", params=["cookie", "both"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with placing(tmp_path_factory.mktemp(request.param), transport=request.param) as place:
        yield place


@pytest.fixture
def window(chromium: Chromium, place: Place) -> Iterator[Window]:
    with windowing(chromium, place) as window:
        yield window


def test_a_request_that_changes_state_carries_the_csrf_value_by_itself(place: Place, window: Window) -> None:
    tab = window()
    tab.login()

    ours = tab.status("/api/echo", {"method": "POST"})
    bare = tab.run("(await fetch('/api/echo', { method: 'POST' })).status")
    read = tab.status("/api/hello")

    assert (ours, bare, read) == (200, 403, 200)
    assert ["x-csrf-token" in headers for headers in place.site.heard] == [True, False]
    assert not any("authorization" in headers for headers in place.site.heard)


def test_scripts_find_no_token(window: Window) -> None:
    tab = window()
    tab.login()

    text = tab.run("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")

    assert "jgr_" not in text
    assert "eyJ" not in text
    assert "jotgate-csrf=" in text


def test_cookies_that_change_under_a_request_do_not_fail_it(place: Place, window: Window) -> None:
    tab = window()
    tab.login()
    place.proxy.slow["/api/echo"] = 0.5
    value = tab.run("document.cookie.split('jotgate-csrf=')[1]")
    tab.run("document.cookie = 'jotgate-csrf=another; Path=/'")
    tab.begin("(await gate.fetch('/api/echo', { method: 'POST' })).status")
    wait_for(lambda: place.proxy.count("/api/echo") == 1)
    tab.run("document.cookie = `jotgate-csrf=${value}; Path=/`", value)

    status = tab.end()

    assert status == 200
    assert place.refreshes == 0


def test_a_wrong_csrf_value_is_refused_and_nothing_is_tried_again(place: Place, window: Window) -> None:
    tab = window()
    tab.login()
    tab.run("document.cookie = 'jotgate-csrf=another; Path=/'")

    status = tab.status("/api/echo", {"method": "POST"})

    assert status == 403
    assert place.proxy.count("/api/echo") == 1
