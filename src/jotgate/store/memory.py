"""The throttle of one process: a bounded table of GCRA instants, kept in two generations.

A key is looked for in the young dictionary, then in the old one. When the young one is full it becomes the old one, and
the old one is dropped: whoever failed lately is in the young one, so a flood of fresh keys pushes out idle ones only.
"""

from collections.abc import Callable, Sequence
from time import monotonic

from jotgate.core import throttle
from jotgate.core.throttle import Limit
from jotgate.errors import Throttled
from jotgate.store.ports import Guess


class MemoryThrottle:
    """Counts failures, of at most `capacity` keys. Implements `ports.Throttle`."""

    def __init__(self, *, capacity: int = 100_000, clock: Callable[[], float] = monotonic) -> None:
        """`capacity`: keys remembered, about 150 bytes each; `clock`: seconds that nobody sets back."""
        self._clock = clock
        self._half = max(1, capacity // 2)
        self._young: dict[bytes, float] = {}
        self._old: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    async def wait(self, keys: Sequence[Limit]) -> int:
        """Seconds until the next try is allowed, over all keys; 0: now."""
        return throttle.longest_wait(keys, self._counted, now=self._clock())

    async def admit(self, keys: Sequence[Limit]) -> Guess:
        """Count a try against each key. Raises `Throttled`."""
        now = self._clock()
        if seconds := throttle.longest_wait(keys, self._counted, now=now):
            raise Throttled(seconds)
        for limit in keys:
            self._keep(limit.key, throttle.fail(self._counted(limit.key), limit, now=now))
        return _Counted(self, keys)

    def forgive(self, keys: Sequence[Limit]) -> None:
        """Take back a try; who never failed is not in the table."""
        now = self._clock()
        for limit in keys:
            count = throttle.forgive(self._counted(limit.key) or 0.0, limit)
            if count > now:
                self._keep(limit.key, count)
            else:
                self._young.pop(limit.key, None)
                self._old.pop(limit.key, None)

    async def close(self) -> None:
        """Nothing to give back."""

    def _keep(self, key: bytes, count: float) -> None:
        if len(self._young) >= self._half and key not in self._young:
            self._young, self._old = {}, self._young
        self._old.pop(key, None)
        self._young[key] = count

    def _counted(self, key: bytes) -> float | None:
        count = self._young.get(key)
        return self._old.get(key) if count is None else count


class _Counted:
    """Implements `ports.Guess`."""

    def __init__(self, throttle: MemoryThrottle, keys: Sequence[Limit]) -> None:
        self._throttle = throttle
        self._keys = keys

    async def wrong(self) -> None:
        """It is counted already."""

    async def right(self) -> None:
        """Take it back."""
        self._throttle.forgive(self._keys)
