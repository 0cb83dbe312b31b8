"""`aiohttp.ClientSession(middlewares=[bearer(session, only=[...])])`: as `TokenAuth`, for aiohttp 3.12 and newer.

aiohttp asks its middlewares again at every hop of a redirect, so the origins that get the token have to be named.
"""

from collections.abc import Iterable

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse
from aiohttp.payload import Payload

from jotgate.client.origins import Reach
from jotgate.client.session import ClientSession


def bearer(session: ClientSession, *, only: str | Iterable[str]) -> ClientMiddlewareType:
    """Sends the session's token, renews it, and repeats a request once after a 401 if its body is no stream."""
    reach = Reach(only)

    async def bearing(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        if not reach.covers(str(request.url)):
            return await send(request)
        token = await session.atoken()
        request.headers["Authorization"] = f"Bearer {token}"
        response = await send(request)
        if response.status != 401:
            return response
        if not session.renewable(token, response.headers.get("WWW-Authenticate", ""), await response.read()):
            return response
        session.renewal(token)
        if isinstance(request.body, Payload) and request.body.consumed:
            return response
        request.headers["Authorization"] = f"Bearer {await session.arenew(token)}"
        return await send(request)

    return bearing
