"""A real Chromium, an issuer in a process of its own, a guarded API, and a proxy that makes one origin of the two."""

import asyncio
import os
import shutil
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from jotgate import Guard
from tests.browser.site import Site
from tests.guard.standin import served
from tests.live.people import PASSWORD, settle
from tests.live.process import Server, serving
from tests.live.proxy import Proxy, nothing, proxying

CHROMIUM = os.environ.get("JOTGATE_TEST_CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
EMAIL = "ada@example.com"
IMPORT = """async ([url, options]) => {
    window.module = await import(url);
    window.gate = options ? module.createSession(eval(`(${options})`)) : module.session;
    window.told = [];
    for (const event of ["login", "logout"]) window.gate.addEventListener(event, () => told.push(event));
}"""


DUE = """Object.keys(localStorage).forEach((key) => {
    localStorage[key] = JSON.stringify({ ...JSON.parse(localStorage[key]), due: 1 });
})"""
SECONDS = 60
Value = TypeVar("Value")


@dataclass
class Chromium:
    """The browser, driven by a loop in a thread of its own: this one stays free for loops of other tests."""

    loop: asyncio.AbstractEventLoop
    browser: Browser

    def wait(self, doing: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(SECONDS)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it, or say where it is in JOTGATE_TEST_CHROMIUM")
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    up, down = asyncio.Queue[Browser](), asyncio.Event()
    driving = asyncio.run_coroutine_threadsafe(_drive(up, down), loop)
    yield Chromium(loop, asyncio.run_coroutine_threadsafe(up.get(), loop).result(SECONDS))
    loop.call_soon_threadsafe(down.set)
    driving.result(SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _drive(up: asyncio.Queue[Browser], down: asyncio.Event) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        up.put_nowait(browser)
        await down.wait()
        await browser.close()


@dataclass
class Place:
    """One origin: the issuer's routes, the API and pages."""

    proxy: Proxy
    issuer: Server
    site: Site
    guard: Guard  # before the API
    module: str  # where the browser module is
    transport: str

    @property
    def url(self) -> str:
        return self.proxy.url

    def calm(self) -> None:
        """Nothing has happened yet, and nothing gets lost."""
        self.guard.clock = time.time
        self.proxy.lose = nothing
        self.proxy.slow.clear()
        self.proxy.passed.clear()
        self.site.heard.clear()

    def at(self, route: str) -> str:
        """The path of a route that lies beside the module."""
        return self.module.replace("client.js", route)

    @property
    def refreshes(self) -> int:
        """How many requests for new tokens came by."""
        return self.proxy.count(self.at("refresh"))


@contextmanager
def placing(
    home: Path, *, below: str = "", prefix: str = "/auth", transport: str = "bearer", **settings: str
) -> Iterator[Place]:
    """An issuer with these settings; `below`: the path of its URL."""
    with ExitStack() as stack:
        proxy = stack.enter_context(proxying())
        issuer = stack.enter_context(serving(home, wrap=(), ISSUER=proxy.url + below, TRANSPORT=transport, **settings))
        guard = Guard(issuer=proxy.url + below, cookie="jotgate-at", leeway=0)
        stack.callback(guard.close)
        site = Site()
        pages = stack.enter_context(served(site.app(guard)))
        proxy.backends |= {"/": issuer.port, "/api/": int(pages.rpartition(":")[2])}
        settle(issuer, ["ada", "bob"])
        yield Place(proxy, issuer, site, guard, f"{below}{prefix}/client.js", transport)


@dataclass
class Tab:
    """A page that has imported the module as `gate`."""

    chromium: Chromium
    page: Page

    def run(self, script: str, value: Any = None) -> Any:
        """The value of an async expression, with `gate` and `value` in reach."""
        return self.chromium.wait(self.page.evaluate(f"async (value) => ({script})", value))

    def begin(self, script: str, value: Any = None) -> None:
        """Start it; `end` waits for what comes of it."""
        self.run(f"void (window.begun = (async () => ({script}))())", value)

    def end(self) -> Any:
        return self.run("await window.begun")

    def login(self, email: str = EMAIL) -> None:
        self.run("await gate.login(value)", {"email": email, "password": PASSWORD})

    def status(self, path: str = "/api/hello", init: Any = None) -> int:
        """Of an answer to the module's fetch."""
        code: int = self.run("(await gate.fetch(value[0], value[1] ?? undefined)).status", [path, init])
        return code

    def logged_in(self) -> bool:
        answer: bool = self.run("gate.loggedIn()")
        return answer

    def events(self) -> list[str]:
        """What the session said since the tab was opened."""
        told: list[str] = self.run("window.told")
        return told

    def close(self) -> None:
        self.chromium.wait(self.page.close())


async def _opened(context: BrowserContext, url: str, *, module: str, options: str) -> Page:
    page = await context.new_page()
    await page.goto(url)
    await page.evaluate(IMPORT, [module, options])
    return page


@dataclass
class Window:
    """Opens tabs that share one fresh storage."""

    chromium: Chromium
    place: Place
    context: BrowserContext

    def __call__(self, *, page: str = "", module: str = "", options: str = "") -> Tab:
        """`page`: another one than the place's own; `options`: of a session beside the module's."""
        address = page or f"{self.place.url}/api/page"
        script = module or self.place.module
        opening = _opened(self.context, address, module=script, options=options)
        return Tab(self.chromium, self.chromium.wait(opening))

    def cookies(self) -> list[str]:
        """The names of all, those that scripts cannot see among them."""
        return [cookie["name"] for cookie in self.chromium.wait(self.context.cookies())]


@contextmanager
def windowing(chromium: Chromium, place: Place) -> Iterator[Window]:
    place.calm()
    context = chromium.wait(chromium.browser.new_context())
    try:
        yield Window(chromium, place, context)
    finally:
        chromium.wait(context.close())
