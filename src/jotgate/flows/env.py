"""Env: all that a flow needs from outside, in one frozen value; and how a flow tells the guards what it has done.

What is told is appended in the transaction that does it (`tell_closed`, `tell_changed`) and gets its number right after
its commit (`sequence`), or within 200 ms by the server's watch.
"""

import asyncio
import hashlib
import hmac
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from jotgate.core.feed import sessions_closed, user_changed
from jotgate.core.keyring import Keyring
from jotgate.core.policy import Policy
from jotgate.errors import Unavailable
from jotgate.store import feed, users
from jotgate.store.ports import Spread, Store, Stretch, Throttle, Tx

_log = logging.getLogger("jotgate.feed")


class Hasher(Protocol):
    """Slow things have their own place: password hashes are made and checked in a bounded pool."""

    async def hash(self, password: str, network: str) -> str:
        """A PHC string with today's parameters. Raises `Busy` at once when the queue is full."""

    async def verify(self, phc: str | None, password: str, network: str) -> bool:
        """Whether the password is the hash's; None burns the same time and says no. Raises `Busy` like `hash`."""

    def outdated(self, phc: str) -> bool:
        """Whether a new hash of the same password would be a better one."""

    def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this once the answer is out; what it raises is logged and changes nothing."""

    async def close(self) -> None:
        """Finish what runs and give the threads back."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What never lies in the database: the master secret, those before it, the secret that HS256 guards share."""

    master: bytes = field(repr=False)
    previous: tuple[bytes, ...] = field(default=(), repr=False)
    hs256: bytes | None = field(default=None, repr=False)


class KeysInUse:
    """The keys of this process: `current` is replaced whole, by `flows/vault.py` alone."""

    __slots__ = ("_current", "_find", "_throttle_key", "longest_ttl", "secrets")

    def __init__(self, secrets: Secrets, *, find: Callable[[], Secrets] | None = None) -> None:
        """`find` looks where the secrets lie: an operator may change them beside a running server."""
        self.secrets = secrets
        self._find = find
        self.longest_ttl = 0  # of any access token that lives: for as long the guards remember what they are told
        self._current: Keyring | None = None
        self._throttle_key = hmac.digest(secrets.master, b"jotgate throttle", "sha256")

    @property
    def current(self) -> Keyring:
        """The keys that sign and verify now. Raises `Unavailable` before the first load."""
        if self._current is None:
            raise Unavailable("the keys have not been loaded yet")
        return self._current

    @property
    def loaded_version(self) -> int | None:
        """The version of the loaded keys; None before the first load."""
        return None if self._current is None else self._current.version

    def look_again(self) -> Secrets:
        """The secrets as they lie there now. Raises what `find` raises."""
        if self._find is not None:
            self.secrets = self._find()
        return self.secrets

    def replace(self, keyring: Keyring, *, longest_ttl: int) -> None:
        """From now on these."""
        self._current = keyring
        self.longest_ttl = longest_ttl

    def blind(self, text: str) -> bytes:
        """A key for the throttle's table that does not show who is meant, the same on every node."""
        secret = text.encode(errors="surrogatepass")
        return hashlib.blake2b(secret, key=self._throttle_key, digest_size=16).digest()  # a third of an HMAC's time


class FeedBell:
    """Wakes those who wait for news; bounded in all and by address: who finds no place is answered at once."""

    def __init__(self, *, places: int = 1024, places_by_address: int = 64, spreads: tuple[Spread, ...] = ()) -> None:
        self.spreads = spreads
        self.incarnation = ""  # nothing is known yet
        self.head = -1
        self.silent = False  # the database is away: another node may know more
        self._places = places
        self._places_by_address = places_by_address
        self._waiting: set[asyncio.Future[None]] = set()
        self._by_address: Counter[str] = Counter()
        self._closed = False
        self._turn = asyncio.Lock()
        self._asked = self._done = 0

    @asynccontextmanager
    async def taking_turns(self) -> AsyncIterator[bool]:
        """For who numbers: one at a time, and whether another one began after this call, and so has done it."""
        self._asked = mine = self._asked + 1
        async with self._turn:
            if self._done >= mine:
                yield True
                return
            served = self._asked
            try:
                yield False
            finally:
                self._done = served

    def ring(self, head: int, incarnation: str) -> None:
        """The feed reaches up to `head`, durably: wake who waits if that is new. Another incarnation starts over."""
        self.silent = False
        if head > self.head or incarnation != self.incarnation:
            self.head, self.incarnation = head, incarnation
            self._wake()

    def hush(self) -> None:
        """The database is away: nobody waits here for news that come to other nodes."""
        self.silent = True
        self._wake()

    def tell(self, stretch: Stretch) -> None:
        """These numbers were given by this process, durably: let other nodes, and guards, hear of it soon."""
        if stretch.head > stretch.after:
            for spread in self.spreads:
                spread.tell(stretch)

    def close(self) -> None:
        """Answer everybody and let nobody wait any more: the process is about to end."""
        self._closed = True
        self._wake()

    async def wait(self, seen: int, seconds: float, *, address: str = "") -> None:
        """Return when the feed reaches beyond `seen`, when the time is over, or at once without a place to wait."""
        full = len(self._waiting) >= self._places or self._by_address[address] >= self._places_by_address
        if self.head > seen or seconds <= 0 or self._closed or self.silent or full:
            return
        news = asyncio.get_running_loop().create_future()
        self._waiting.add(news)
        self._by_address[address] += 1
        try:
            await asyncio.wait((news,), timeout=seconds)
        finally:
            self._waiting.discard(news)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _wake(self) -> None:
        for news in self._waiting:
            if not news.done():
                news.set_result(None)


@dataclass(frozen=True, slots=True)
class Env:
    """Frozen, nine fields: a tenth wants to be part of one of these."""

    issuer: str
    policy: Policy
    store: Store
    throttle: Throttle
    feed: FeedBell
    keyring: KeysInUse
    hasher: Hasher
    clock: Callable[[], float]  # seconds since 1970
    entropy: Callable[[int], bytes]


async def tell_closed(env: Env, tx: Tx, session_ids: Iterable[str], *, now: int) -> None:
    """In the transaction that closes sessions: their access tokens are dead."""
    if env.policy.revocation:
        await feed.append(tx, sessions_closed(env.issuer, session_ids, now=now, longest_ttl=env.keyring.longest_ttl))


async def tell_changed(env: Env, tx: Tx, user_id: str, *, now: int) -> None:
    """In the transaction that changes what a user may do: the epoch rises, access tokens from before are stale."""
    epoch = await users.raise_epoch(tx, user_id, now)
    if env.policy.revocation and epoch is not None:
        entry = user_changed(env.issuer, user_id, epoch, now=now, longest_ttl=env.keyring.longest_ttl)
        await feed.append(tx, (entry,))


async def sequence(env: Env) -> None:
    """Number what is committed and wake those who wait. What fails here, the next round of the server's watch does."""
    async with env.feed.taking_turns() as has_been_done:
        if has_been_done:
            return
        try:
            head, incarnation, pending = await feed.state(env.store.read())
            while pending:
                # Durable: a number that a guard has read must not be given again after a power cut.
                stretch = await env.store.write(feed.sequence)
                env.feed.tell(stretch)
                head, incarnation = stretch.head, stretch.incarnation
                pending = stretch.head - stretch.after == feed.BATCH
        except Unavailable as error:
            _log.warning("the feed could not be numbered now: %s", error.detail)
            env.feed.hush()
        else:
            env.feed.ring(head, incarnation)
