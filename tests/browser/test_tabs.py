"""Three tabs, one session, its expiry: one refresh, nobody logged out, no request fails; also when answers get lost."""

import time
from collections.abc import Iterator

import pytest

from tests.browser.conftest import DUE, Chromium, Place, Tab, Window, placing, windowing
from tests.guard.standin import wait_for
from tests.live.proxy import Loss, every_second

TTL = 10  # the least that an issuer allows
SHORT = 3  # so long a token lives where the API's clock is ahead by the rest
# Requests, two at a time, for so many milliseconds; the statuses that came.
_BUSY = """await (async () => {
    const statuses = new Set();
    for (const end = Date.now() + value; Date.now() < end; await new Promise((resume) => setTimeout(resume, 50)))
        for (const answer of await Promise.all([gate.fetch("/api/hello"), gate.fetch("/api/echo", { method: "%s" })]))
            statuses.add(answer.status);
    return [...statuses];
})()"""
BUSY, READING = _BUSY % "POST", _BUSY % "GET"
AT_ONCE = """await Promise.all(Array.from({ length: 5 }, async () => (await gate.fetch("/api/hello")).status))"""


@pytest.fixture(scope="module", params=["bearer", "cookie"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp(request.param)
    with placing(home, transport=request.param, ACCESS_TTL=str(TTL)) as place:
        yield place


@pytest.fixture
def window(chromium: Chromium, place: Place) -> Iterator[Window]:
    with windowing(chromium, place) as window:
        yield window


def three(window: Window) -> list[Tab]:
    """The first of them logs in."""
    tabs = [window() for _ in range(3)]
    tabs[0].login()
    return tabs


def all_of(tabs: list[Tab], script: str, value: object = None) -> list[object]:
    """At the same time in every tab."""
    for tab in tabs:
        tab.begin(script, value)
    return [tab.end() for tab in tabs]


def test_one_tab_refreshes_for_all_before_the_token_expires(place: Place, window: Window) -> None:
    tabs = three(window)
    place.proxy.slow[place.at("refresh")] = 0.3

    statuses = all_of(tabs, BUSY, (TTL + 0.5) * 1000)

    assert statuses == [[200]] * 3
    assert place.refreshes == 1
    assert all(tab.logged_in() for tab in tabs)


def test_one_tab_refreshes_for_all_that_find_the_token_expired(place: Place, window: Window) -> None:
    tabs = three(window)
    place.guard.clock = lambda: time.time() + TTL - SHORT
    time.sleep(SHORT + 0.1)

    statuses = all_of(tabs, AT_ONCE)

    assert statuses == [[200] * 5] * 3
    assert place.refreshes == 1
    assert all(tab.logged_in() for tab in tabs)


@pytest.mark.parametrize("loss", ["answer", "half"])
def test_every_second_refresh_answer_lost_logs_nobody_out(place: Place, window: Window, loss: Loss) -> None:
    tabs = three(window)
    place.guard.clock = lambda: time.time() + TTL - SHORT
    place.proxy.lose = every_second(place.at("refresh"), loss=loss)

    statuses = all_of(tabs, BUSY, 2.5 * SHORT * 1000)

    assert statuses == [[200]] * 3
    assert place.refreshes >= 4
    assert all(tab.logged_in() for tab in tabs)
    assert [tab.events().count("logout") for tab in tabs] == [0, 0, 0]


def test_without_web_locks_the_issuer_answers_all_alike(place: Place, window: Window) -> None:
    tabs = three(window)
    for tab in tabs:  # as in an old browser
        tab.run("Object.defineProperty(navigator, 'locks', { value: undefined })")
    place.proxy.slow[place.at("refresh")] = 0.3  # so that they meet
    place.guard.clock = lambda: time.time() + TTL - SHORT

    # only reading: where cookies change again and again under a request, its csrf value may be wrong twice
    statuses = all_of(tabs, READING, 2.5 * SHORT * 1000)

    assert statuses == [[200]] * 3
    assert place.refreshes > 2
    assert all(tab.logged_in() for tab in tabs)


def test_a_tab_that_sleeps_while_it_refreshes_holds_up_nobody_with_a_good_token(place: Place, window: Window) -> None:
    sleeper, tab, _ = three(window)
    name = sleeper.run("Object.keys(localStorage)[0]")
    sleeper.run("void navigator.locks.request(value, () => new Promise(() => {}))", name)
    tab.run(DUE)

    status = tab.status()

    assert status == 200
    assert place.refreshes == 0


def test_a_logout_while_a_refresh_is_under_way_is_a_logout(place: Place, window: Window) -> None:
    refreshing, leaving, _ = tabs = three(window)
    place.proxy.slow[place.at("refresh")] = 0.5
    refreshing.run(DUE)
    refreshing.begin("(await gate.fetch('/api/hello')).status")
    wait_for(lambda: place.refreshes == 1)

    leaving.run("await gate.logout()")
    refreshing.end()

    assert [tab.logged_in() for tab in tabs] == [False] * 3
    assert refreshing.run("Object.keys(localStorage)") == []
    assert [tab.status() for tab in tabs] == [401] * 3


def test_a_logout_in_one_tab_is_heard_in_all(place: Place, window: Window) -> None:
    tabs = three(window)
    sid = tabs[1].run("(await gate.me()).sid")

    tabs[1].run("await gate.logout()")

    wait_for(lambda: all(tab.events()[-1:] == ["logout"] for tab in tabs))
    assert [tab.logged_in() for tab in tabs] == [False] * 3
    assert [tab.run("await gate.me()") for tab in tabs] == [None] * 3
    assert [tab.status() for tab in tabs] == [401] * 3
    assert tabs[0].run("Object.keys(localStorage)") == []
    assert tabs[0].run("document.cookie") == ""
    assert sid not in {session["id"] for session in place.issuer.cli_json("session", "list")}


def test_a_login_as_somebody_else_is_heard_in_all(place: Place, window: Window) -> None:
    tabs = three(window)
    wait_for(lambda: all(tab.events() == ["login"] for tab in tabs))

    tabs[2].login("bob@example.com")

    wait_for(lambda: all(tab.events() == ["login", "login"] for tab in tabs))
    assert [tab.run("(await gate.me()).email") for tab in tabs] == ["bob@example.com"] * 3


def test_a_session_that_was_ended_elsewhere_is_over_and_everybody_is_told_once(place: Place, window: Window) -> None:
    tabs = three(window)
    place.issuer.cli("session", "end", tabs[0].run("(await gate.me()).sid"))
    wait_for(lambda: tabs[0].status() == 401)

    statuses = [tab.status() for tab in tabs]

    assert statuses == [401] * 3
    wait_for(lambda: all(tab.events() == ["login", "logout"] for tab in tabs))
    assert place.refreshes == 1


def test_a_tab_that_is_closed_while_it_refreshes_leaves_the_session_to_the_others(place: Place, window: Window) -> None:
    closing, tab, _ = three(window)
    place.proxy.slow[place.at("refresh")] = 1
    place.guard.clock = lambda: time.time() + (0 if place.refreshes else TTL + 1)
    closing.begin("(await gate.fetch('/api/hello')).status")
    wait_for(lambda: place.refreshes == 1)

    closing.close()
    place.guard.clock = lambda: time.time() + (0 if place.refreshes > 1 else TTL + 1)
    status = tab.status()

    assert (status, tab.logged_in()) == (200, True)
    assert place.refreshes == 2
