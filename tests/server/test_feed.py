"""The revocation feed over HTTP."""

import asyncio
import time

import pytest
from starlette.types import Message

from jotgate.server.gate import Edge
from jotgate.wire.feed import digest, parse_page
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


async def test_without_revocation_there_is_no_feed() -> None:
    async with issuing(revocation=False) as house:
        answer = await house.http.get("/revocations")

    assert answer.status_code == 404
