"""The guard: an access token in, who is asking out, offline (RFC 6750, RFC 9068).

    token                    keys and news    verdict
    ---------------------    -------------    ---------------------------------------------------
    remembered               unchanged        the principal, until it expires
    remembered               changed          judged by them again; not its signature
    not remembered           there            signature, claims, news; a good one is remembered
    any                      not there yet    NeedKeys: wait for them and ask again
    under an unknown key     there            NeedKeys, once in 30 s; else refused

`check` and `admit` say what they need and never wait; `verify` waits, with limits. The adapter of a framework is one
short file around them.
"""

import os
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from time import monotonic, time
from typing import Any, Final, Literal, TypeVar

from jotgate.errors import Expired, JotgateError, NewsStale, TokenMissing, UnknownKey
from jotgate.guard import observe as observing
from jotgate.guard import options as told
from jotgate.guard.courier import Courier, Errand, courier
from jotgate.guard.judge import Ask, Judged, judge, text_of
from jotgate.guard.known import Given, Known, Local, NeedKeys, Status
from jotgate.guard.memory import Memory, Strangers
from jotgate.guard.options import Options
from jotgate.guard.principal import Principal, Requirement
from jotgate.guard.revoked import Revoked
from jotgate.guard.waiting import waited
from jotgate.jose.claims import Expect
from jotgate.jose.jwks import KeySet
from jotgate.jose.jws import MAX_TOKEN, Keys
from jotgate.wire import bearer, challenge
from jotgate.wire.challenge import Answer

_MEMORY_BYTES: Final = 64 << 20
View = TypeVar("View", bound=Callable[..., Any])
Event = TypeVar("Event")
Remembered = tuple[Principal, int, object, Judged, int]  # with its expiry, and what it was judged by: stamp and news


class _Signature:
    """What FastAPI reads of a guard; without FastAPI there is none, and a class has none of its own."""

    def __get__(self, guard: "Guard | None", owner: type) -> Any:
        if guard is None:
            raise AttributeError("__signature__")
        try:
            return guard.dependency.__signature__
        except ImportError:
            raise AttributeError("__signature__") from None


class Guard:
    """Stands before the routes of one service. Safe for threads; starts nothing before its first token."""

    def __init__(  # noqa: PLR0913  # the options of CONTRACT.md section 4; keyword-only
        self,
        issuer: str,
        *,
        audience: str | None = None,
        algorithms: str | Iterable[str] | None = None,
        leeway: int = 10,
        max_lifetime: int = 86_400,
        jwks: Mapping[str, Any] | KeySet | str | bytes | None = None,
        hs256_secret: str | bytes | None = None,
        cache: int = 10_000,
        feed_token: str | None = None,
        feed: str | Iterable[str] = (),
        revocation: Literal["auto", "push"] | None = "auto",
        on_stale: Literal["serve", "deny"] = "serve",
        max_staleness: int = 30,
        cookie: str | None = None,
        origins: str | Iterable[str] = (),
        realm: str = "api",
        observe: Callable[[observing.Event], object] | None = None,
    ) -> None:
        """What each option may be stands in `jotgate.guard.options`. Raises `SettingsError` with every complaint."""
        self._set_up(
            Options(
                issuer=issuer,
                audience=audience,
                algorithms=told.several(algorithms),
                leeway=leeway,
                max_lifetime=max_lifetime,
                jwks=jwks,
                hs256_secret=hs256_secret,
                cache=cache,
                feed_token=feed_token,
                feed=told.several(feed),
                revocation=revocation,
                on_stale=on_stale,
                max_staleness=max_staleness,
                cookie=cookie,
                origins=told.several(origins),
                realm=realm,
                observe=observe,
            )
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Guard":
        """As the environment says: JOTGATE_ISSUER and so on. Raises `SettingsError` with every complaint."""
        guard = cls.__new__(cls)
        guard._set_up(told.from_env(environ))  # noqa: SLF001  # its own
        return guard

    @classmethod
    def local(
        cls,
        issuer: str,
        *,
        keys: Callable[[], Keys],
        revoked: Revoked | None = None,
        audience: str | None = None,
        realm: str = "api",
    ) -> "Guard":
        """The issuer's own guard, in its own process: keys are asked for with every token, and nothing is fetched.

        `audience` None takes tokens of the issuer for any audience.
        """
        guard = cls.__new__(cls)
        options = Options(issuer=issuer, audience=audience, revocation=None, realm=realm)
        guard._stand(options, Local(keys, revoked), any_audience=audience is None)  # noqa: SLF001  # its own
        return guard

    # --- the verdict

    def verify(self, token: str | bytes) -> Principal:
        """Who is asking; waits a few seconds for the issuer at most. Raises `TokenError`, `Unavailable`."""
        if type(token) is str and len(token) <= MAX_TOKEN:
            kept = self._memory.young.get(token) or self._memory.old.get(token)
            if kept is not None:
                principal, until, stamp, _, _ = kept
                if stamp is self._known.stamp and self.clock() < until and (self._serves_stale or self._is_fresh()):
                    return principal
        verdict = self.check(token, now=self.clock())
        if isinstance(verdict, NeedKeys):
            return waited(lambda: self.check(token, now=self.clock()), self.arrivals)
        return verdict

    def admit(self, header: str | bytes | None, *, now: float) -> Principal | NeedKeys:
        """The verdict on an Authorization header at `now`, or what must come first. Raises `TokenError`."""
        token = bearer.from_header(header)
        if token is None:
            raise TokenMissing
        return self.check(token, now=now)

    def check(self, token: str | bytes, *, now: float) -> Principal | NeedKeys:
        """The verdict on a token at `now`, or what must come first. Raises `TokenError`, `Unavailable`."""
        stamp = self._known.stamp  # before all that it stands for
        if type(token) is not str:
            token = text_of(token)
        kept = self._memory.get(token) if len(token) <= MAX_TOKEN else None
        if kept is not None and kept[2] is stamp and now < kept[1] and (self._serves_stale or self._is_fresh()):
            return kept[0]
        found = self.weigh(token, kept, now=now)
        if isinstance(found, NeedKeys):
            return found
        self._memory.put(token, found, weight=1500 + 3 * len(token))
        return found[0]

    def weigh(self, token: str, kept: Remembered | None, *, now: float) -> Remembered | NeedKeys:
        """`check` for those who remember by themselves: `kept` is what they have, or nothing yet."""
        stamp = self._known.stamp  # before all that it stands for
        if kept is None:
            kept = self._memory.get(token)
        moment = self.monotonic()
        keys = self._known.look(now=moment)
        if isinstance(keys, NeedKeys):
            return keys
        if not self._serves_stale and not self._is_fresh():
            raise NewsStale("there are no fresh news of revocations")
        news = self._known.revoked
        heard = 0 if news is None else news.heard  # before the news that it counts
        try:
            judged = self._judge(token, keys, kept, now=now)
        except UnknownKey:
            self._strangers.note(token, keys)
            if self._courier is not None and self._courier.unknown_key(now=moment):
                return NeedKeys(keys=True, since=moment)
            raise
        if news is not None and judged.marks is not None:
            if kept is not None and kept[3] is judged:
                news.check_again(judged.marks, heard=kept[4])
            else:
                news.check(judged.marks)
        return judged.principal, judged.until, stamp, judged, heard

    @property
    def stamp(self) -> object:
        """Another one whenever a verdict may have changed by more than time."""
        return self._known.stamp, self._serves_stale or self._is_fresh()

    def arrivals(self, need: NeedKeys) -> Sequence[tuple[Future[None], float]]:
        """What to wait for, one after the other, and for how many seconds at most; then `check` again."""
        return () if self._courier is None else self._courier.arrivals(need)

    def answer(self, error: JotgateError) -> Answer:
        """The HTTP answer to an error, the same in every framework."""
        return challenge.answer(error, realm=self.options.realm)

    def status(self) -> Status:
        """How old the keys and the news are, and what went wrong last."""
        status = Status(keys_age=0.0) if self._courier is None else self._courier.status(now=self.monotonic())
        return replace(status, remembered=len(self._memory))

    def close(self) -> None:
        """Stop asking the issuer; what is known stays in use."""
        self._release()

    # --- adapters: each needs its framework

    __signature__ = _Signature()

    @cached_property
    def dependency(self) -> Any:
        """What `Depends(guard)` calls."""
        return _adapter("fastapi").Dependency(self)

    async def __call__(self, connection: Any, security_scopes: Any, **_schemes: Any) -> Principal:
        """FastAPI: `Depends(guard)`, `Security(guard, scopes=[...])`."""
        principal: Principal = await self.dependency(connection, security_scopes)
        return principal

    @cached_property
    def optional(self) -> Callable[..., Awaitable[Principal | None]]:
        """FastAPI: `Depends(guard.optional)` gives None where no credentials are sent."""
        optional: Callable[..., Awaitable[Principal | None]] = _adapter("fastapi").Dependency(self, optional=True)
        return optional

    def require(
        self,
        *,
        role: str | Iterable[str] = (),
        scope: str | Iterable[str] = (),
        match: Literal["all", "any"] = "all",
        max_age: int | None = None,
    ) -> Callable[..., Awaitable[Principal]]:
        """FastAPI: `Depends(guard.require(role="manager"))`; as `Requirement.of`."""
        requirement = Requirement.of(role=role, scope=scope, match=match, max_age=max_age)
        required: Callable[..., Awaitable[Principal]] = _adapter("fastapi").Required(self, requirement)
        return required

    def fresh(self, max_age: int) -> Callable[..., Awaitable[Principal]]:
        """FastAPI: `Depends(guard.fresh(max_age=300))` wants a login in the last five minutes (RFC 9470)."""
        return self.require(max_age=max_age)

    def flask(self, app: Any) -> None:
        """Flask, Quart: refusals are answered by this guard; `current_principal` is who is asking."""
        _adapter("flask").install(self, app)

    def required(
        self,
        *,
        role: str | Iterable[str] = (),
        scope: str | Iterable[str] = (),
        match: Literal["all", "any"] = "all",
        max_age: int | None = None,
        optional: bool = False,
    ) -> Callable[[View], View]:
        """Flask, Quart: `@guard.required()`, `@guard.required(role="manager")`; as `Requirement.of`.

        `optional`: who sends no credentials comes in as nobody.
        """
        requirement = Requirement.maybe(role=role, scope=scope, match=match, max_age=max_age)
        decorate: Callable[[View], View] = _adapter("flask").required(self, requirement, optional=optional)
        return decorate

    def litestar(self, **options: Any) -> Any:
        """Litestar: `Litestar(plugins=[guard.litestar()])`."""
        return _adapter("litestar").Plugin(self, **options)

    def starlette(self) -> Any:
        """Starlette: `AuthenticationMiddleware(app, backend=guard.starlette())`, for `@requires`."""
        return _adapter("starlette").Backend(self)

    # --- connections that last

    async def renew(self, connection: Any, token: str | bytes) -> Principal:
        """A guarded WebSocket lasts by this token from now on: of the same subject, and with all that was required.

        Raises `SubjectMismatch` and what `verify` and `Principal.require` raise; then the connection is as before.
        """
        principal: Principal = await _adapter("lasting").renew(self, connection, token)
        return principal

    def while_valid(self, request: Any, events: AsyncIterable[Event]) -> AsyncGenerator[Event, None]:
        """The events of a stream, as long as the request's token is good. For any ASGI framework."""
        lasting: AsyncGenerator[Event, None] = _adapter("lasting").while_valid(self, request, events)
        return lasting

    # --- inside

    def _set_up(self, options: Options) -> None:
        given = told.given_keys(options)
        if given is not None and not options.pushes:
            self._stand(options, Given(given))
            return
        errand = Errand(
            options.issuer,
            algorithms=frozenset(options.accepted),
            poll_seconds=min(25, options.max_staleness // 2) if options.pushes else None,
            feed_token=options.feed_token,
            nats=options.feed,
        )
        self._stand(options, courier(errand) if given is None else Courier(errand, given=given))

    def _stand(self, options: Options, known: Known, *, any_audience: bool = False) -> None:
        self.options = options
        self.clock: Callable[[], float] = time
        self.monotonic: Callable[[], float] = monotonic
        self._known = known
        self._courier = known if isinstance(known, Courier) else None
        self._serves_stale = options.on_stale == "serve"
        self._memory: Memory[Remembered] = Memory(options.cache, size=_MEMORY_BYTES)
        self._strangers = Strangers()
        self._ask = Ask(
            Expect(
                options.issuer,
                options.audience or options.issuer,
                leeway=options.leeway,
                max_lifetime=options.max_lifetime,
            ),
            any_audience=any_audience,
            marked=known.revoked is not None,
        )
        observer = options.observe and observing.Observer(options.observe)
        if observer:
            observing.attach(self, observer)
        if self._courier and observer:
            self._courier.observe(observer)
        self._release = weakref.finalize(self, self._courier.release, observer) if self._courier else lambda: None
        if not isinstance(known, Local):
            _announce(self)

    def _judge(self, token: str, keys: Keys, kept: Remembered | None, *, now: float) -> Judged:
        if kept is None or kept[3].keys is not keys:
            self._strangers.refuse(token, keys)
            return judge(token, keys, self._ask, now=int(now))
        if now >= kept[1]:
            raise Expired("it was remembered, and expired")
        return kept[3]

    def _is_fresh(self) -> bool:
        return self._courier is not None and self._courier.news_age(now=self.monotonic()) <= self.options.max_staleness

    # --- for tests of applications

    @contextmanager
    def relying_on(self, known: Known, *, clock: Callable[[], float] | None = None) -> Iterator[None]:
        """Within the block keys and revocations are these, and the time that of `clock`; nothing is fetched."""
        names = ("_known", "_courier", "_serves_stale", "_memory", "_ask", "clock")
        before = {name: getattr(self, name) for name in names}
        self._memory = Memory(self.options.cache, size=_MEMORY_BYTES)
        self._ask = replace(self._ask, marked=known.revoked is not None)
        self._known, self._courier, self._serves_stale = known, None, True
        self.clock = clock or self.clock
        try:
            yield
        finally:
            vars(self).update(before)


def watch_guards(newcomer: Callable[[Guard], object]) -> Callable[[], None]:
    """Call it with every guard of this process, also with those made later; what is returned ends that.

    An issuer's own guards are left out. A testing kit takes guards over in this way, wherever they are made.
    """
    _watchers.append(newcomer)
    for guard in tuple(_made):
        newcomer(guard)
    return lambda: _watchers.remove(newcomer)


_made: weakref.WeakSet[Guard] = weakref.WeakSet()
_watchers: list[Callable[[Guard], object]] = []


def _announce(guard: Guard) -> None:
    _made.add(guard)
    for newcomer in tuple(_watchers):
        newcomer(guard)


def _adapter(framework: str) -> Any:
    """Its module, which needs the framework and this one."""
    return import_module(f"jotgate.guard.{framework}")
