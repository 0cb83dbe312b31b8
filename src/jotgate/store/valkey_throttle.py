"""The throttle of many nodes by Valkey, with the database behind it.

    Valkey                     a try is decided by             the database
    -------------------------  ------------------------------  ----------------------------------------------
    there                      Valkey                          hears of failures a tenth of a second later
    flushed, restarted, back   both: the higher count holds    asked until what is older has leaked away
    away                       the database                    counts by itself

Away is whatever takes longer than 150 ms. The first to find out waits that long, nobody after him: from then on Valkey
is asked in the background alone, until it answers.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from functools import partial
from time import monotonic

from jotgate.core.throttle import Limit, longest_wait
from jotgate.errors import Unavailable
from jotgate.store.throttle import DatabaseThrottle, WriteBehind, cost, less, patiently
from jotgate.store.valkey import Attendance, Client, hang_up
from jotgate.store.valkey_counts import Counted, Forgotten, ValkeyCounts

_PATIENCE = 0.15  # seconds for one call
_PLACES = 32  # calls at the same time; more wait for their turn
_AGAIN = 0.5  # seconds between two looks whether it is back, on average; each look takes no longer than
_LOOK = 0.5
_WORK = "throttle"


class ValkeyThrottle:
    """Implements `ports.Throttle`. `name`: of the installation's keys."""

    def __init__(self, client: Client, name: str, *, database: DatabaseThrottle, attendance: Attendance) -> None:
        self._client = client
        self._counts = ValkeyCounts(client, name)
        self._database = database
        self._behind = WriteBehind(database)
        self._attendance = attendance
        self._places = asyncio.Semaphore(_PLACES)
        self._there = True  # until it turns out otherwise
        self._incomplete_until = 0.0  # by the monotonic clock: what Valkey said last
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, keys: Sequence[Limit]) -> int:
        """Seconds until the next try is allowed, over all keys; 0: now. Raises `Unavailable`."""
        counted = await self._add({limit.key: 0 for limit in keys}, keys)
        if counted is None:
            return await self._database.wait(keys)
        return longest_wait(keys, counted.get, now=0.0)

    async def fail(self, keys: Sequence[Limit]) -> int:
        """Count one failure against each, and give 0; or count nothing, and give the seconds. Raises `Unavailable`."""
        return await patiently(partial(self.fail_once, keys), partial(self.wait, keys))

    async def fail_once(self, keys: Sequence[Limit]) -> int:
        """`fail` without patience."""
        added = cost(keys)
        before = await self._add(added, keys)
        if before is None:
            return await self._database.fail_once(keys)
        wait = longest_wait(keys, before.get, now=0.0)
        if wait:
            await self._take_back(keys)
        else:
            self._behind.note(added)
        return wait

    async def forgive(self, keys: Sequence[Limit]) -> None:
        """Take back what `fail` has just counted, wherever it was."""
        if await self._take_back(keys):
            self._behind.note(less(cost(keys)))
        else:
            await self._database.forgive(keys)

    async def close(self) -> None:
        """Write what the database does not know yet; hang up."""
        if self._looking:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._behind.close()
        await hang_up(self._client)

    async def _take_back(self, keys: Sequence[Limit]) -> bool:
        return await self._call(less(cost(keys)), {}) is not None

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
                async with asyncio.timeout(_PATIENCE):
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
                longest = await self._database.longest()
                async with asyncio.timeout(_LOOK):
                    await self._counts.begin(longest)
            except Unavailable:
                continue  # the database: without it Valkey is no help
            except Exception as error:  # noqa: BLE001  # away, in whichever way
                self._attendance.away(_WORK, error)
            else:
                self._there = True
        self._attendance.back(_WORK)
