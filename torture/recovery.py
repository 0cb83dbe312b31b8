"""After a fault: from when on everything works again.

    a request sent after the end of the fault    service is
    -----------------------------------------    ----------
    was answered in time, and not by a 5xx       normal
    anything else                                not yet normal when it was sent

In time is two seconds; five for what hashes passwords, which waits for whatever else the machine has to do. Requests
that the next fault cut into say nothing. A kind of request that never succeeded before the next fault has not
recovered.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from torture.history import Event, Fault, History, Kind

PROMPT_SECONDS = 2.0
_HASHING_SECONDS = 5.0
_HASHING = frozenset({"login", "password"})


def recoveries(history: History) -> tuple[tuple[Fault, float], ...]:
    """For each fault the seconds from its end until service was normal; infinite where it never was."""
    kinds = frozenset(event.kind for event in history.events)
    faults = sorted(history.faults, key=lambda fault: fault.begun_at)
    ends = [*(after.begun_at for _, after in pairwise(faults)), history.ended_at]
    events = sorted(history.events, key=lambda event: event.sent_at)
    return tuple(
        (fault, seconds_until_normal(_between(events, fault.ended_at, end), since=fault.ended_at, kinds=kinds))
        for fault, end in zip(faults, ends, strict=True)
    )


def seconds_until_normal(events: Iterable[Event], *, since: float, kinds: frozenset[Kind]) -> float:
    """From `since` to just after the last request that was not served as usual."""
    pending = set(kinds)
    last_bad = since
    for event in events:
        if is_normal(event):
            pending.discard(event.kind)
        else:
            last_bad, pending = event.sent_at, set(kinds)
    return math.inf if pending else last_bad - since


def is_normal(event: Event) -> bool:
    """Answered soon, by what is no trouble of ours."""
    limit = _HASHING_SECONDS if event.kind in _HASHING else PROMPT_SECONDS
    return 0 < event.status < 500 and event.ended_at - event.sent_at <= limit


def _between(events: Sequence[Event], start: float, end: float) -> Iterable[Event]:
    return (event for event in events if event.sent_at >= start and event.ended_at <= end)
