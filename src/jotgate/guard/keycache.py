"""The issuer's key set in a guard: when it is good, when it is fetched, and what a failed fetch changes (nothing).

    set held            `kid`       last fetch begun      answer
    ----------------    --------    ------------------    -----------------------------------------------
    none                any         back-off not over     refused for the moment, with the seconds to wait
    none                any         else                  fetch
    at most 24 h old    in it       any                   the set; renewed when it is older than 5 min
    at most 24 h old    not in it   under 30 s ago        refused: a flood of them costs one fetch in 30 s
    at most 24 h old    not in it   else                  fetch

Times are seconds of a monotonic clock. A good answer replaces the set; a bad one only moves the back-off.
"""

from collections.abc import Callable
from random import SystemRandom
from typing import Final

from jotgate.jose.jwks import KeySet

FRESH_SECONDS: Final = 300.0
KEPT_SECONDS: Final = 86_400.0
COOLDOWN_SECONDS: Final = 30.0
dice: Final = SystemRandom().random  # nobody's seed, and nobody's surprise
BACKOFF_SECONDS: Final = (0.5, 1.0)  # two seconds after the issuer is back everybody has it again


def backoff(failures: int, dice: Callable[[], float]) -> float:
    """Seconds to wait after so many failures in a row; `dice` in [0, 1) spreads a fleet over half of it."""
    return BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1] * (0.5 + dice() / 2)


class KeyCache:
    """The last good key set, and when to ask for the next one. Its owner sees to it that one writes at a time."""

    __slots__ = ("_dice", "_retry_at", "_tried_at", "failures", "fetched_at", "keys", "problem")

    def __init__(self, dice: Callable[[], float]) -> None:
        self._dice = dice
        self._tried_at: float | None = None
        self._retry_at = 0.0
        self.keys: KeySet | None = None
        self.fetched_at = 0.0
        self.failures = 0  # in a row
        self.problem = ""  # of the last fetch, for people

    def held(self, *, now: float) -> KeySet | None:
        """The last good set, as long as it may be used."""
        return self.keys if now - self.fetched_at < KEPT_SECONDS else None

    def forget(self, *, now: float) -> bool:
        """Drop a set that may not be used any more; whether there was one."""
        if self.keys is None or self.held(now=now) is not None:
            return False
        self.keys = None
        return True

    def wait(self, *, now: float) -> float:
        """Seconds before a token that cannot be judged without it may cause a fetch; 0 is now."""
        if self._tried_at is None:
            return 0.0
        allowed_at = self._retry_at if self.held(now=now) is None else self._tried_at + COOLDOWN_SECONDS
        return max(0.0, allowed_at - now)

    def due(self, *, now: float) -> float:
        """Seconds before the set is renewed without being asked for; 0 is now."""
        if self._tried_at is None:
            return 0.0
        fresh_until = self.fetched_at + FRESH_SECONDS if self.keys is not None else 0.0
        return max(0.0, fresh_until - now, self._retry_at - now)

    def begun(self, *, now: float) -> None:
        """A fetch was begun."""
        self._tried_at = now

    def succeeded(self, keys: KeySet, *, now: float) -> None:
        """The issuer's keys as of `now`, the beginning of the fetch."""
        self.keys = keys
        self.fetched_at = now
        self._retry_at = 0.0
        self.failures = 0
        self.problem = ""

    def failed(self, problem: str, *, now: float) -> None:
        """The fetch gave nothing that may be used: everything stays as it was."""
        self.failures += 1
        self._retry_at = now + backoff(self.failures, self._dice)
        self.problem = problem
