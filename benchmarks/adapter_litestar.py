"""Litestar with our plug-in and with its own JWTAuth, for `benchmarks.adapters`.

Both guard whole applications, so there are three with the same route: one bare, one with each.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Litestar, get
from litestar.connection import ASGIConnection
from litestar.security.jwt import JWTAuth, Token

from benchmarks.adapter_peers import HELLO, OPEN, OURS, SECRET, TOKENS, Built, Rotated
from jotgate import Guard

PEER = "JWTAuth"


def litestar(guard: Guard) -> Built:
    """Its user comes out of memory."""
    members = {f"member-{number}": object() for number in range(TOKENS)}

    async def member(token: Token, _connection: ASGIConnection[Any, Any, Any, Any]) -> Any:
        return members.get(token.sub)

    auth = JWTAuth[Any, Token](retrieve_user_handler=member, token_secret=SECRET)
    paths = list(Rotated([OPEN, OURS, PEER]))

    def hello() -> Any:
        @get([path for path, _ in paths])
        async def answer() -> dict[str, str]:
            return HELLO

        return answer

    standing = {
        OPEN: Litestar([hello()]),
        OURS: Litestar([hello()], plugins=[guard.litestar()]),
        PEER: Litestar([hello()], on_app_init=[auth.on_app_init]),
    }
    by_path = {path: standing[who] for path, who in paths}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await by_path[scope["path"]](scope, receive, send)

    until = datetime.now(UTC) + timedelta(hours=1)
    tokens = [Token(sub=sub, exp=until).encode(SECRET, "HS256") for sub in members]
    return Built(application, {PEER: tokens}, {PEER: "HS256, the user out of memory"})
