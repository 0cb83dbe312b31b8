"""A whole issuer in a thread: real HTTP on a loopback port, a database in memory; needs jotgate[server].

    with serve_in_thread() as issuer:
        issuer.add_user("ada@example.com", role="manager")
        tokens = issuer.login("ada@example.com")
        guard = issuer.guard()

It is what `jotgate serve` runs, with every setting as an argument: `serve_in_thread(profile="camel", access_ttl=60)`.
Nothing of the environment or of a `jotgate.toml` is read. All is gone when it stops.
"""

import asyncio
import json
import secrets
import socket
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final, Self, TypeVar

import uvicorn

from jotgate.assemble import application, opened
from jotgate.errors import Misuse
from jotgate.flows import roles as roles_flow
from jotgate.flows import users as users_flow
from jotgate.flows.env import Env
from jotgate.guard.guard import Guard
from jotgate.settings import Settings, load
from jotgate.testing import badtokens
from jotgate.testing.model import LIFETIME_SECONDS, Model, Words, says

_SECONDS: Final = 30.0
_EVERY_LEEWAY: Final = 600  # real time goes on, and guards elsewhere have been told other leeways
_EVERY_LIFETIME: Final = 366 * 86_400
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gave."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    answer: Mapping[str, Any] = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """`{"Authorization": "Bearer ..."}`."""
        return {"Authorization": f"Bearer {self.access_token}"}


def serve_in_thread(**settings: object) -> "LiveIssuer":
    """An issuer that serves already; `settings` as in docs/settings.md, in lower case. Raises `SettingsError`."""
    return LiveIssuer(settings)


class LiveIssuer:
    """Serves until `stop`, or the end of a `with`."""

    __test__ = False

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._stack = ExitStack()
        self._passwords: dict[str, str] = {}
        with ExitStack() as begun:
            listener = begun.enter_context(socket.create_server(("127.0.0.1", 0)))
            folder = Path(begun.enter_context(TemporaryDirectory(prefix="jotgate-")))
            self._settings = _read(settings, folder, port=listener.getsockname()[1])
            self.url = self._settings.policy.issuer
            self._server = _Server(self._settings, listener)
            begun.callback(self._server.stop)
            self._env = self._server.start()
            self._stack = begun.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer who waits, end the thread, forget everything. Calling twice is fine."""
        self._stack.close()

    # --- people

    def add_user(
        self,
        email: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        name: str | None = None,
        role: Words = (),
    ) -> str:
        """A new user, and its id. Without a password it gets one that `login` knows. Raises `Invalid`, and others."""
        chosen = password or secrets.token_urlsafe(16)
        user = self._do(
            users_flow.add(
                self._env,
                email=email,
                username=username,
                name=name,
                password=chosen,
                roles=(role,) if isinstance(role, str) else role,
            )
        )
        self._passwords |= {text: chosen for text in (email, username) if text is not None}
        return user.id

    def set_role(self, name: str, *permissions: str) -> None:
        """What a role gives from now on: `set_role("manager", "payments:read", "members:*")`."""
        self._do(roles_flow.set_role(self._env, name, permissions))

    def login(self, identifier: str, password: str | None = None) -> Tokens:
        """By e-mail address or user name, over HTTP. Raises `Misuse` where the issuer refuses."""
        body = {
            "email" if "@" in identifier else "username": identifier,
            "password": password or self._passwords.get(identifier, ""),
        }
        answer = self._post(f"{self._settings.policy.prefix}/login", body)
        if self._settings.policy.response_names == "camel":
            return Tokens(answer["token"], answer.get("refreshToken"), answer)
        return Tokens(answer["access_token"], answer.get("refresh_token"), answer)

    def logout(self, tokens: Tokens) -> None:
        """End the session, over HTTP: every guard that reads the feed refuses its tokens within about a second."""
        self._post(f"{self._settings.policy.prefix}/logout", {}, tokens.headers)

    # --- guards and tokens

    def guard(self, **options: Any) -> Guard:
        """A guard of this issuer, closed with it; `options` as `Guard` takes them."""
        given = {
            "audience": self._settings.policy.audience[0],
            "hs256_secret": self._env.keyring.secrets.hs256,
            "feed_token": self._settings.feed_token,
        }
        guard = Guard(self.url, **(given | options))
        self._stack.callback(guard.close)
        return guard

    def model(self, role: Words = (), scope: Words = (), **claims: Any) -> Model:
        """A good token in parts, under the key that signs: for `assert_refuses_bad_tokens(..., issuer=...)`.

        It belongs to no session: guards take it, the issuer's own routes do not.
        """
        now = int(self._env.clock())
        policy = self._settings.policy
        said = says(
            role,
            scope,
            issuer=policy.issuer,
            audiences=policy.audience,
            now=now,
            seconds=LIFETIME_SECONDS,
            **({"epoch": now} | claims),
        )
        return Model(self._env.keyring.current.signing, said, now, _EVERY_LEEWAY, _EVERY_LIFETIME)

    def mint(self, role: Words = (), scope: Words = (), **claims: Any) -> str:
        """Such a token."""
        return self.model(role, scope, **claims).good

    def bad_tokens(self, role: Words = (), scope: Words = (), **claims: Any) -> Mapping[str, str]:
        """Some hundreds of tokens that every guard of this issuer must refuse, by name."""
        return badtokens.of_model(self.model(role, scope, **claims))

    @property
    def cookies(self) -> frozenset[str]:
        """The cookies that guards of this issuer may read."""
        return frozenset({"jotgate-at"})

    # --- inside

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._server.loop).result(_SECONDS)

    def _post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self._settings.port, timeout=_SECONDS)
        try:
            given = {"Content-Type": "application/json", **(headers or {})}
            connection.request("POST", path, json.dumps(body), given)
            answer = connection.getresponse()
            said: dict[str, Any] = json.loads(answer.read() or b"{}")
        finally:
            connection.close()
        if answer.status >= 400:
            raise Misuse(f"POST {path}: {answer.status} {said.get('code')}: {said.get('error_description')}")
        return said


def _read(settings: Mapping[str, object], folder: Path, *, port: int) -> Settings:
    nothing = folder / "jotgate.toml"
    nothing.touch()
    given = {"host": "127.0.0.1", "port": port, "data_dir": folder / "data", "database_url": "sqlite:///:memory:"}
    texts = {f"JOTGATE_{name.upper()}": str(value) for name, value in (given | dict(settings)).items()}
    return load(texts, file=nothing)


class _Server:
    """The thread, its loop and what it serves."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._ready: Future[Env] = Future()
        self._thread = Thread(target=lambda: asyncio.run(self._run()), name="jotgate-live", daemon=True)
        self._told: asyncio.Event
        self.loop: asyncio.AbstractEventLoop

    def start(self) -> Env:
        """Return once connections are taken. Raises `StartError`."""
        self._thread.start()
        return self._ready.result(_SECONDS)

    def stop(self) -> None:
        """Return when all is closed."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._told.set)
        self._thread.join(_SECONDS)

    async def _run(self) -> None:
        self.loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with opened(self._settings) as env:
                app = application(self._settings, env)
                await app.start()
                server = uvicorn.Server(_config(app))
                serving = self.loop.create_task(server.serve(sockets=[self._listener]))
                while not server.started and not serving.done():  # noqa: ASYNC110  # uvicorn tells nobody
                    await asyncio.sleep(0.001)
                self._ready.set_result(env)
                await self._told.wait()
                app.drain()
                server.should_exit = True
                await serving
                await app.stop()
        except Exception as error:  # whoever waits for the start is told
            if self._ready.done():
                raise
            self._ready.set_exception(error)


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
