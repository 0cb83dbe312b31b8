"""How long a guard may let in what was ended: a second, and what an outage of the whole database adds.

    while                                   a guard that              may let it in until
    -----                                   ------------              -------------------
    anything but the below                  any                       1 s after the acknowledgement
    no node can reach the database, or      serves on (the default)   2 s after the end of it
    there is no node                        denies                    its `max_staleness`, if that is sooner

What nobody can know, no guard can: of a logout in the last moment before an outage the guards hear when it is over. A
node that alone is cut off from the database is no excuse, neither is Valkey or NATS. `while_cut_off` counts the
acceptances that only the second row permits.
"""

from collections.abc import Iterable

from torture.facts import Facts
from torture.history import Event, Fault, History

PROMISED_SECONDS = 1.0
NORMAL_WITHIN_SECONDS = 2.0
STRICT_STALENESS_SECONDS = 2.0  # of the guard that denies; the smallest that there is
_TRAVEL_SECONDS = 0.25  # from the node that read the news to the guard that counts their age from their arrival
STRICT = "strict guard"


def accepted_until(ended_at: float, guard: str, faults: Iterable[Fault]) -> float:
    """The last instant at which a guard may let in what an acknowledgement at `ended_at` ended."""
    until = ended_at + PROMISED_SECONDS
    for fault in faults:
        if fault.outage and fault.begun_at <= until and fault.ended_at + NORMAL_WITHIN_SECONDS >= ended_at:
            until = max(until, fault.ended_at + NORMAL_WITHIN_SECONDS)
    if guard == STRICT:
        return min(until, ended_at + STRICT_STALENESS_SECONDS + _TRAVEL_SECONDS)
    return until


def while_cut_off(history: History) -> int:
    """Access tokens, for each guard, that were let in later than promised because the database was away."""
    facts = Facts.of(history.events)
    return len({f"{event.at} {event.session} {event.number}" for event in history.events if _is_late(event, facts)})


def _is_late(event: Event, facts: Facts) -> bool:
    if event.kind != "guarded" or not event.done:
        return False
    dead = facts.dead_since(event)
    return dead is not None and event.sent_at > dead.ended_at + PROMISED_SECONDS
