"""Where the session goes: the issuer, the page's own origin, listed ones; and where it never does: any other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from jotgate import Guard
from tests.browser.conftest import Chromium, Place, Window, placing, windowing
from tests.browser.site import Hostile, Site, pages
from tests.guard.standin import served
from tests.live.people import PASSWORD

CALLS = [
    "gate.fetch(value)",
    "gate.fetch(new URL(value))",
    "gate.fetch(new Request(value))",
    "gate.fetch(value, { method: 'POST', body: 'x', credentials: 'include' })",
    "gate.fetch(new Request(value, { method: 'POST', credentials: 'include' }))",
    "gate.fetch(value, { headers: { 'X-Other': '1' } })",
]


@dataclass
class Street:
    """A place and its neighbours, each an origin of its own."""

    place: Place
    pages: str  # the issuer lets these call
    api: str  # guarded by the same issuer, lets the place's pages call
    called: Site  # what the API heard
    hostile: str
    told: Hostile


@pytest.fixture(scope="module", params=["bearer", "cookie"])
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    home = tmp_path_factory.mktemp(request.param)
    hostile, site = Hostile(), Site()
    with ExitStack() as stack:
        elsewhere = _local(stack.enter_context(served(pages())))
        place = stack.enter_context(placing(home, transport=request.param, CORS_ORIGINS=elsewhere))
        guard = Guard(issuer=place.url, revocation=None, cookie="jotgate-at", origins=(place.url,))
        stack.callback(guard.close)
        api = stack.enter_context(served(site.app(guard, origins=(place.url,))))
        evil = _local(stack.enter_context(served(hostile)))
        yield Street(place, elsewhere, api, site, evil, hostile)


@pytest.fixture
def window(chromium: Chromium, street: Street) -> Iterator[Window]:
    with windowing(chromium, street.place) as window:
        street.called.heard.clear()
        street.told.heard.clear()
        yield window


def test_a_hostile_origin_never_gets_the_session(street: Street, window: Window) -> None:
    tab = window()
    tab.login()

    answers = [tab.run(f"await (await {call}).json()", f"{street.hostile}/api/hello") for call in CALLS]

    assert answers == [{"sub": "whoever you like"}] * len(CALLS)  # it is the browser's own fetch
    assert _secrets(street.told.heard) == set()


def test_nor_by_a_redirect(street: Street, window: Window) -> None:
    tab = window()
    tab.login()

    tab.run("(await gate.fetch(value)).status", f"/api/away?to={street.hostile}/api/hello")
    tab.run("(await gate.fetch(value, { method: 'POST' })).status", f"/api/away?to={street.hostile}/api/hello")

    assert len(street.place.site.heard) == 2
    # X-CSRF-Token may arrive: redirects are the browser's. It is worth nothing without the cookie and the origin.
    assert _secrets(street.told.heard) <= {"x-csrf-token"}


def test_nor_by_a_renewal(street: Street, window: Window) -> None:
    tab = window()
    tab.login()

    tab.run("Promise.all([401, 403].map((status) => gate.fetch(value)))", f"{street.hostile}/auth/refresh")

    assert street.place.refreshes == 0
    assert _secrets(street.told.heard) == set()


def test_a_listed_origin_gets_the_session(street: Street, window: Window) -> None:
    listed = window(options=f"{{ origins: ['{street.api}/any/path'] }}")
    listed.login()
    unlisted = window()

    read = [tab.status(f"{street.api}/api/hello") for tab in (unlisted, listed)]
    changed = listed.status(f"{street.api}/api/echo", {"method": "POST"})

    assert (read, changed) == ([401, 200], 200)
    assert len(street.called.heard) == 2


def test_a_page_of_a_listed_origin_imports_the_module_and_logs_in(street: Street, window: Window) -> None:
    tab = window(page=street.pages, module=street.place.url + street.place.module)

    failed = tab.run(
        "await gate.login(value).catch((error) => error.message)",
        {"email": "ada@example.com", "password": PASSWORD},
    )

    if street.place.transport == "bearer":
        assert tab.run("(await gate.me()).email") == "ada@example.com"
    else:  # SameSite
        assert failed == f"No cookie came from {street.place.url}/auth/: another transport or host?"
        assert tab.logged_in() is False


def test_a_page_of_another_origin_cannot_import_it(street: Street, window: Window) -> None:
    tab = window()

    failed = tab.run(
        """await new Promise((done) => {
            const frame = document.body.appendChild(document.createElement("iframe"));
            addEventListener("message", ({ data }) => done(data));
            frame.sandbox = "allow-scripts";
            frame.srcdoc = `<script type=module>
                import("${value}").then(() => "imported", (error) => error.name)
                    .then((what) => parent.postMessage(what, "*"))
            </script>`;
        })""",
        street.place.url + street.place.module,
    )

    assert failed == "TypeError"


def _local(url: str) -> str:
    """The same server by another name, which is another site to a browser."""
    return url.replace("127.0.0.1", "localhost")


def _secrets(heard: Sequence[Mapping[str, str]]) -> set[str]:
    """The headers of ours in requests that were heard."""
    assert heard
    return {name for headers in heard for name in headers} & {"authorization", "x-csrf-token", "cookie"}
