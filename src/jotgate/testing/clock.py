"""A clock that tests move: guards and tokens share it, so that an hour passes without waiting."""

from time import time


class Clock:
    """Begins at this second and stands still until it is moved. Calling it gives `now`, as `time.time` does."""

    __test__ = False

    def __init__(self, now: float | None = None) -> None:
        """`now`: seconds since 1970."""
        self.now: float = int(time()) if now is None else now

    def move(self, seconds: float) -> float:
        """Let so many seconds pass, back in time too; gives the new `now`."""
        self.now += seconds
        return self.now

    def __call__(self) -> float:
        """What a guard asks."""
        return self.now

    def __repr__(self) -> str:
        return f"Clock({self.now})"
