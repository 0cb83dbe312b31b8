"""The revocation feed over HTTP."""

import asyncio
import time

import pytest
from starlette.types import Message

from jotgate.core.feed import sessions_closed
from jotgate.errors import Unavailable
from jotgate.flows.feed import sequence
from jotgate.server import feedpages
from jotgate.server.feedpages import PAGES, FullPages
from jotgate.server.gate import Edge
from jotgate.store import feed
from jotgate.wire.feed import MAX_PAGE_ENTRIES, digest, parse_page
from tests.server.issuing import ISSUER, House, issuing

pytestmark = pytest.mark.anyio
FEED_TOKEN = "feed-token-of-16-or-more"


async def test_a_logout_is_in_the_feed_as_a_digest(house: House) -> None:
    await house.user()
    tokens = await house.login()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    sid = (await house.http.get("/auth/me", headers=bearer)).json()["sid"]
    start = (await house.http.get("/revocations")).json()["next"]

    await house.http.post("/auth/logout", headers=bearer)
    answer = await house.http.get("/revocations", params={"after": start})

    page = parse_page(answer.content)
    assert [(entry.kind, entry.digest) for entry in page.entries] == [("sid", digest(ISSUER, "sid", sid))]
    assert (page.more, page.reset) == (False, False)
    assert sid not in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("cursor", [None, "", "nonsense", "ffffffffffffffff.0", "x" * 3000])
async def test_no_or_an_unknown_cursor_gets_the_whole_snapshot(house: House, cursor: str | None) -> None:
    await house.user()
    await house.http.post("/auth/logout-all", headers=await house.bearer())

    answer = await house.http.get("/revocations", params={} if cursor is None else {"after": cursor})

    page = answer.json()
    assert page["reset"] is True
    assert [entry[0] for entry in page["entries"]] == ["sid"]


async def test_who_waits_is_answered_with_the_news(house: House) -> None:
    await house.user()
    bearer = await house.bearer()
    start = (await house.http.get("/revocations")).json()["next"]
    began = time.monotonic()

    waiting = asyncio.create_task(house.http.get("/revocations", params={"after": start, "wait": "25"}))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await house.http.post("/auth/logout", headers=bearer)
    page = (await waiting).json()

    assert [entry[0] for entry in page["entries"]] == ["sid"]
    assert time.monotonic() - began < 10


async def test_who_waits_for_nothing_is_answered_when_the_time_is_over(house: House) -> None:
    start = (await house.http.get("/revocations")).json()["next"]

    page = (await house.http.get("/revocations", params={"after": start, "wait": "0.05"})).json()

    assert page == {"next": start, "more": False, "reset": False, "entries": []}


async def test_who_waits_goes_on_while_the_node_serves_its_last_seconds(house: House) -> None:
    start = (await house.http.get("/revocations")).json()["next"]
    waiting = asyncio.create_task(house.http.get("/revocations", params={"after": start, "wait": "25"}))
    await asyncio.sleep(0.05)

    house.app.retire()
    await asyncio.sleep(0.05)

    assert not waiting.done()
    house.app.drain()
    assert (await waiting).json()["entries"] == []


async def test_draining_answers_who_waits_and_lets_nobody_wait(house: House) -> None:
    start = (await house.http.get("/revocations")).json()["next"]
    waiting = asyncio.create_task(house.http.get("/revocations", params={"after": start, "wait": "25"}))
    await asyncio.sleep(0.05)
    began = time.monotonic()

    house.app.drain()
    first = await waiting
    second = await house.http.get("/revocations", params={"after": start, "wait": "25"})

    assert (first.status_code, second.status_code) == (200, 200)
    assert time.monotonic() - began < 10


async def test_a_guard_that_goes_away_frees_its_place(house: House) -> None:
    start = (await house.http.get("/revocations")).json()["next"]
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    query = f"after={start}&wait=25".encode()
    scope = {"type": "http", "method": "GET", "path": "/revocations", "query_string": query, "headers": []}
    await asyncio.wait_for(house.app(scope, receive, send), 10)

    assert sent == []
    assert not house.env.feed._waiting


@pytest.mark.parametrize("wait", ["x", "-1", "", "1e3", "NaN", "inf", "٣", "1" * 5000])
async def test_a_wait_that_is_no_number_is_named(house: House, wait: str) -> None:
    answer = await house.http.get("/revocations", params={"wait": wait})

    assert (answer.status_code, answer.json()["field"]) == (422, "wait")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "token_missing"),
        ({"authorization": "Bearer wrong"}, 401, "token_malformed"),
        ({"authorization": f"Bearer {FEED_TOKEN}"}, 200, None),
        ({"authorization": f"bearer  {FEED_TOKEN}"}, 200, None),
    ],
)
async def test_a_feed_with_a_token_is_for_who_has_it(headers: dict[str, str], status: int, code: str | None) -> None:
    async with issuing(edge=Edge(feed_token=FEED_TOKEN)) as house:
        answer = await house.http.get("/revocations", headers=headers)
        shown = repr(house.app._edge)

    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert FEED_TOKEN not in shown


async def fill(house: House, entries: int) -> None:
    names = [str(number) for number in range(entries)]
    async with house.env.store.begin() as tx:
        await feed.append(tx, sessions_closed(ISSUER, names, now=int(house.env.clock()), longest_ttl=900))
    await sequence(house.env)


async def test_a_full_page_is_made_once_for_all_who_ask_for_it(house: House) -> None:
    await fill(house, MAX_PAGE_ENTRIES + 1)

    first = await house.http.get("/revocations")
    again = await house.http.get("/revocations", params={"after": "unknown"})
    rest = await house.http.get("/revocations", params={"after": parse_page(first.content).next})

    assert again.content == first.content
    assert (parse_page(first.content).more, parse_page(rest.content).more) == (True, False)
    assert len(parse_page(rest.content).entries) == 1
    assert set(house.app._gate.feed_pages._pages) == {(house.env.feed.incarnation, None)}


async def test_a_full_page_of_another_feed_is_not_served(house: House) -> None:
    await fill(house, MAX_PAGE_ENTRIES + 1)
    first = parse_page((await house.http.get("/revocations")).content)
    async with house.env.store.begin() as tx:
        await feed.reincarnate(tx, "another")
    await sequence(house.env)

    anew = parse_page((await house.http.get("/revocations", params={"after": first.next})).content)

    assert first.reset
    assert anew.reset
    assert anew.next.startswith("another.")


class Maker:
    """Makes pages, slowly enough for others to ask meanwhile."""

    def __init__(self, *, full: bool = True) -> None:
        self.made = 0
        self._full = full

    async def __call__(self) -> tuple[bytes, bool]:
        self.made += 1
        number = self.made
        await asyncio.sleep(0.01)
        return b"%d" % number, self._full


async def test_who_asks_while_a_page_is_made_waits_for_it() -> None:
    pages, make = FullPages(), Maker()

    found = await asyncio.gather(*(pages.get(("i", None), make) for _ in range(20)))

    assert set(found) == {b"1"}
    assert await pages.get(("i", None), make) == b"1"
    assert await pages.get(("j", None), make) == b"2"


async def test_who_goes_away_leaves_the_page_to_the_others() -> None:
    pages, make = FullPages(), Maker()
    first, second = (asyncio.create_task(pages.get(("i", None), make)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()

    assert await second == b"1"
    assert make.made == 1


async def test_a_page_that_is_not_full_is_not_kept() -> None:
    pages, make = FullPages(), Maker(full=False)

    assert [await pages.get(("i", None), make) for _ in range(2)] == [b"1", b"2"]


async def test_a_page_that_cannot_be_made_is_tried_again() -> None:
    pages, make = FullPages(), Maker()

    async def fail() -> tuple[bytes, bool]:
        await asyncio.sleep(0)
        raise Unavailable("the database is away")

    with pytest.raises(Unavailable):
        await pages.get(("i", None), fail)
    assert await pages.get(("i", None), make) == b"1"


async def test_so_many_full_pages_are_kept_and_no_more() -> None:
    pages, make = FullPages(), Maker()

    for number in range(PAGES + 3):
        await pages.get(("i", number), make)
    for number in (3, PAGES + 2):
        await pages.get(("i", number), make)
    assert make.made == PAGES + 3
    await pages.get(("i", 2), make)

    assert make.made == PAGES + 4


async def test_a_full_page_is_kept_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedpages, "KEPT_SECONDS", 0.05)
    pages, make = FullPages(), Maker()

    assert [await pages.get(("i", None), make) for _ in range(2)] == [b"1", b"1"]
    await asyncio.sleep(0.3)

    assert await pages.get(("i", None), make) == b"2"


async def test_without_revocation_there_is_no_feed() -> None:
    async with issuing(revocation=False) as house:
        answer = await house.http.get("/revocations")

    assert answer.status_code == 404
