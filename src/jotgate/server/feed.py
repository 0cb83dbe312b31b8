"""The revocation feed over HTTP: GET /revocations?after=CURSOR&wait=SECONDS.

The wait ends early with news, when the client goes away, and when the process is about to stop.
"""

import asyncio
import re
from hmac import compare_digest

from jotgate.errors import Invalid, Malformed, TokenMissing
from jotgate.flows import feed as feed_flow
from jotgate.server.gate import Gate
from jotgate.server.reply import Reply, private
from jotgate.server.request import Disconnected, Request
from jotgate.wire import bearer
from jotgate.wire.feed import Page, encode_page

_SECONDS = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)


async def revocations(gate: Gate, request: Request) -> Reply:
    """GET /revocations."""
    _check_token(gate, request)
    query = request.query()
    wait = query.get("wait", "0")
    if not _SECONDS.fullmatch(wait):
        raise Invalid("wait: a number of seconds", field="wait")
    after = query.get("after")
    place = await feed_flow.place(gate.env, after)
    if feed_flow.is_far_behind(gate.env, place):
        return private(await gate.feed_pages.get(place, lambda: _full_page(gate, after)))
    return private(encode_page(await _page(gate, request, after=after, wait=float(wait))))


async def _full_page(gate: Gate, after: str | None) -> tuple[bytes, bool]:
    """Encoded, and whether it is full after all."""
    page = await feed_flow.page(gate.env, after)
    await asyncio.sleep(0)  # others first
    return encode_page(page), page.more


async def _page(gate: Gate, request: Request, *, after: str | None, wait: float) -> Page:
    page = asyncio.ensure_future(feed_flow.page(gate.env, after, wait, address=request.address))
    gone = asyncio.ensure_future(request.gone())
    try:
        with gate.meters.waiting.track_inprogress():
            await asyncio.wait((page, gone), return_when=asyncio.FIRST_COMPLETED)
        if not page.done():
            raise Disconnected
        return page.result()
    finally:
        page.cancel()
        gone.cancel()


def _check_token(gate: Gate, request: Request) -> None:
    """The feed tells nothing to who has no token; still an operator may want to know its readers."""
    wanted = gate.edge.feed_token
    if wanted is None:
        return
    given = bearer.from_request(request.every(b"authorization"))
    if given is None:
        raise TokenMissing
    if not compare_digest(given.token.encode(), wanted.encode()):
        raise Malformed("not the feed's token")
