"""The throttle of many nodes by Valkey, with the database behind it.

    Valkey                     a try is decided by             the database
    -------------------------  ------------------------------  ---------------------------------------------
    there                      Valkey                          has every failure before anybody hears of it
    flushed, restarted, back   both: the higher count holds    is asked until what is older has leaked away
    away                       the database                    counts by itself

Away is whatever takes longer than 150 ms. The first to find out waits that long, nobody after him: from then on Valkey
is asked in the background alone, until it answers.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic

from jotgate.core.throttle import Limit, longest_wait
from jotgate.errors import Unavailable
from jotgate.store.ports import Guess
from jotgate.store.throttle import DatabaseThrottle, cost, less, patiently
from jotgate.store.valkey import Attendance, Client, hang_up
from jotgate.store.valkey_counts import Counted, Forgotten, ValkeyCounts

PATIENCE = 0.15  # seconds for one call
_LATE = 0.02  # more, if it is our own loop that is late: the answer may lie there
_PLACES = 32  # calls at the same time; more wait for their turn
_AGAIN = 0.5  # seconds between two looks whether it is back, on average; each look takes no longer than
_LOOK = 0.5
_WORK = "throttle"


class ValkeyThrottle:
    """Implements `ports.Throttle`. `name`: of the installation's keys."""

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        database: DatabaseThrottle,
        attendance: Attendance,
        patience: float = PATIENCE,
    ) -> None:
        self._client = client
        self._counts = ValkeyCounts(client, name)
        self._database = database
        self._attendance = attendance
        self._patience = patience
        self._places = asyncio.Semaphore(_PLACES)
        self._there = True  # until it turns out otherwise
        self._beside: list[float] = []  # seconds that tries cost which the database is counting alone at this moment
        self._incomplete_until = 0.0  # by the monotonic clock: what Valkey said last
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, keys: Sequence[Limit]) -> int:
        """Seconds until the next try is allowed, over all keys; 0: now. Raises `Unavailable`."""
        counted = await self._add({limit.key: 0 for limit in keys}, keys)
        if counted is None:
            return await self._database.wait(keys)
        return longest_wait(keys, counted.get, now=0.0)

    async def admit(self, keys: Sequence[Limit]) -> Guess:
        """Count a try against each key. Raises `Throttled`, `Unavailable`."""
        return await patiently(partial(self.attempt, keys), partial(self.wait, keys))

    async def attempt(self, keys: Sequence[Limit]) -> Guess | None:
        """`admit` without patience; None: refused."""
        before = await self._add(cost(keys), keys)
        if before is None:
            return await self._attempt_beside(keys)
        if longest_wait(keys, before.get, now=0.0):
            await self.take_back(keys)
            return None
        return _Counted(self, self._database, keys)

    async def _attempt_beside(self, keys: Sequence[Limit]) -> Guess | None:
        seconds = max((limit.seconds for limit in keys), default=0.0)
        self._beside.append(seconds)
        try:
            return await self._database.attempt(keys)
        finally:
            self._beside.remove(seconds)

    async def take_back(self, keys: Sequence[Limit]) -> None:
        """One try less."""
        await self._call(less(cost(keys)), {})

    async def close(self) -> None:
        """Hang up."""
        if self._looking:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await hang_up(self._client)

    async def _add(self, added: Mapping[bytes, int], keys: Sequence[Limit]) -> Mapping[bytes, float] | None:
        """What was counted before, with what the database knows where that may be more; None: Valkey is away."""
        if not keys:
            return {}
        known = await self._database.counted(keys) if self._there and self._incomplete_until > monotonic() else None
        counted = await self._call(added, known)
        if counted is not None and counted.before is None:
            counted = await self._call(added, await self._database.counted(keys))
        return None if counted is None else counted.before

    async def _call(self, added: Mapping[bytes, int], known: Mapping[bytes, float] | None) -> Counted | None:
        """One call, unless Valkey is away."""
        async with self._places:
            if not self._there:
                return None
            try:
                async with _at_most(self._patience):
                    counted = await self._counts.add(added, known)
            except Forgotten:
                self._leave(None)
            except Exception as error:  # noqa: BLE001  # whatever a driver raises, no flow may see it
                self._leave(error)
            else:
                self._incomplete_until = monotonic() + counted.incomplete
                return counted
        return None

    def _leave(self, error: BaseException | None) -> None:
        """Without an error it is there, and has to be told again."""
        if not self._there:
            return
        self._there = False
        if error is not None:
            self._attendance.away(_WORK, error)
        self._looking = asyncio.create_task(self._look(0.0 if error is None else _AGAIN), name="jotgate valkey")

    async def _look(self, pause: float) -> None:
        """Until it is there; what was counted without it lies in the database, which is asked while that matters."""
        if pause:
            await hang_up(self._client)  # where one connection is dead, the others may be
        while not self._there:
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - nodes apart, not to be secret
            pause = _AGAIN
            try:
                await self._tell()
                self._there = True
                await self._tell()  # of tries that came meanwhile: the database alone counts no more of them
            except Unavailable:
                self._there = False  # the database: without it Valkey is no help
            except Exception as error:  # noqa: BLE001  # away, in whichever way
                self._there = False
                self._attendance.away(_WORK, error)
        self._attendance.back(_WORK)

    async def _tell(self) -> None:
        """How long the database has to be asked too."""
        not_there_yet = sum(self._beside)
        longest = await self._database.longest() + not_there_yet
        async with asyncio.timeout(_LOOK):
            await self._counts.begin(longest)


@asynccontextmanager
async def _at_most(seconds: float) -> AsyncIterator[None]:
    """Raises `TimeoutError`; an answer that has come while our loop was busy is heard."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        late = loop.call_later(seconds, lambda: limit.reschedule(loop.time() + _LATE))
        try:
            yield
        finally:
            late.cancel()


class _Counted:
    """Implements `ports.Guess`: one that Valkey has counted."""

    def __init__(self, throttle: ValkeyThrottle, database: DatabaseThrottle, keys: Sequence[Limit]) -> None:
        self._throttle = throttle
        self._database = database
        self._keys = keys

    async def wrong(self) -> None:
        """The database has it too, before anybody hears."""
        await self._database.add(cost(self._keys))

    async def right(self) -> None:
        """The database has never heard of it."""
        await self._throttle.take_back(self._keys)
