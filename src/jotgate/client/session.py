"""A session in a client's hands: log in, the token of the moment, log out; shared by tasks, threads and processes.

    session = ClientSession.login("https://auth.example.com", email="ada@example.com", password="...")
    session.token()              # an access token that can be sent; in tasks: await session.atoken()
    session.logout()

What a method does in a thread, the one with an `a` before its name does in a task of asyncio.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, TypedDict, Unpack

from jotgate.client import answers, tokens
from jotgate.client.answers import Heard, Outcome, accepted
from jotgate.client.flight import arrival, aside
from jotgate.client.issuer import Issuer
from jotgate.client.keeper import Keeper
from jotgate.client.tokenfile import TokenFile
from jotgate.client.tokens import Tokens
from jotgate.errors import GrantError, Misuse

Path = str | os.PathLike[str]


class Login(TypedDict, total=False):
    """Who logs in, and what the tokens are to be for; `file`: the session is there for other processes too."""

    email: str
    username: str
    password: str
    audience: str | Sequence[str]
    scope: str
    file: Path


class ClientSession:
    """One login. Safe for tasks of any loop and for threads; made by `login`, `from_file` or `from_tokens`."""

    def __init__(self, keeper: Keeper) -> None:
        """`login`, `from_file` and `from_tokens` call this."""
        self._keeper = keeper

    def __repr__(self) -> str:
        """No token is in it."""
        return f"ClientSession({self.issuer.url!r}, {self.tokens!r})"

    # --- how one begins

    @classmethod
    def login(cls, issuer: str | Issuer, **login: Unpack[Login]) -> "ClientSession":
        """Log in: `email` or `username`, `password`, and if need be `audience`, `scope`, `file`.

        Raises:
            LoginError, Throttled, Invalid, NotFound, Unavailable, TokenFileRefused, Misuse.
        """
        if ("email" in login) == ("username" in login) or "password" not in login:
            raise Misuse("login: give password, and one of email and username")
        where = _issuer(issuer)
        file = _file(login.pop("file", None))
        heard = where.post("/login", _body(login))
        given = answers.granted(heard) if isinstance(heard, Heard) and heard.status == 200 else None
        if given is None:
            raise answers.refusal(heard)
        return cls._new(where, given, file)

    @classmethod
    async def alogin(cls, issuer: str | Issuer, **login: Unpack[Login]) -> "ClientSession":
        """As `login`, in a task."""
        return await arrival(aside(lambda: cls.login(issuer, **login)))

    @classmethod
    def from_tokens(
        cls,
        issuer: str | Issuer,
        access_token: str,
        refresh_token: str | None = None,
        *,
        expires_in: int | None = None,
        file: Path | None = None,
    ) -> "ClientSession":
        """A session whose tokens were got elsewhere just now; without `expires_in` the token itself says its life."""
        where = _issuer(issuer)
        given = answers.kept(access_token, refresh_token, expires_in, at=where.clock())
        return cls._new(where, given, _file(file))

    @classmethod
    def from_file(cls, path: Path, *, issuer: Issuer | None = None) -> "ClientSession":
        """The session that some process has put there. Raises `GrantError` where there is none, `TokenFileRefused`.

        `issuer` where time-outs or TLS are to differ from the usual; it must be that of the file.
        """
        file = TokenFile(path)
        saved = file.read()
        if saved is None:
            raise GrantError(f"{file.path}: there is no session: log in first")
        where = issuer or Issuer(saved.issuer, prefix=saved.prefix)
        saved.check(where.url, where.prefix)
        return cls(Keeper(where, saved.tokens, file=file, serial=saved.serial))

    @classmethod
    def _new(cls, issuer: Issuer, given: Tokens, file: TokenFile | None) -> "ClientSession":
        keeper = Keeper(issuer, given, file=file)
        keeper.put_down()
        return cls(keeper)

    # --- the token of the moment

    @property
    def issuer(self) -> Issuer:
        """Who gave the tokens."""
        return self._keeper.issuer

    @property
    def tokens(self) -> Tokens:
        """What is held now, as it is: it may have expired."""
        return self._keeper.tokens

    def token(self) -> str:
        """An access token that can be sent. Raises `GrantError` (log in again), `Unavailable`, `TokenFileRefused`."""
        held, coming = self._keeper.course()
        return held if coming is None else accepted(coming.result()).access

    async def atoken(self) -> str:
        """As `token`, in a task."""
        held, coming = self._keeper.course()
        return held if coming is None else accepted(await arrival(coming)).access

    def renew(self, stale: str | None = None) -> str:
        """Another access token than `stale`, by default than the one that is held. Raises as `token` does."""
        return accepted(self.renewal(stale).result()).access

    async def arenew(self, stale: str | None = None) -> str:
        """As `renew`, in a task."""
        return accepted(await arrival(self.renewal(stale))).access

    def renewal(self, stale: str | None = None) -> Future[Outcome]:
        """The same for whoever does not wait."""
        return self._keeper.renewal(self.tokens.access if stale is None else stale)

    def renewable(self, token: str, challenge: str, body: bytes) -> bool:
        """Whether another token than this may help against a 401: its `WWW-Authenticate`, its body."""
        return tokens.renewable(challenge, body) and self._keeper.doubt(token)

    # --- how it ends

    def logout(self) -> None:
        """End the session, here and at the issuer. Doing it twice is fine. Raises `Unavailable`: it may still live."""
        self._keeper.end()

    async def alogout(self) -> None:
        """As `logout`, in a task."""
        await arrival(aside(self.logout))


def _issuer(given: str | Issuer) -> Issuer:
    return Issuer(given) if isinstance(given, str) else given


def _file(path: Path | None) -> TokenFile | None:
    return None if path is None else TokenFile(path)


def _body(login: Login) -> dict[str, Any]:
    audience = login.get("audience", "")
    return {**login, "audience": audience if isinstance(audience, str) else [*audience]} if audience else {**login}
