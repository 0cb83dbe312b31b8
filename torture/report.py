"""What a run gives: the counters, the faults, how soon service was normal; as a table for people or as JSON."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from torture.allowance import NORMAL_WITHIN_SECONDS, while_cut_off
from torture.check import Finding, check, counted
from torture.history import KINDS, Fault
from torture.recovery import recoveries
from torture.run import Outcome

_SHOWN = 20  # findings


@dataclass(frozen=True, slots=True)
class Report:
    """Of one world. Everything in `counters` must be 0."""

    world: str
    counters: dict[str, int]
    findings: tuple[Finding, ...]
    recovered: tuple[tuple[Fault, float], ...]
    requests: dict[str, int]
    unanswered: dict[str, int]
    outages: int  # access tokens that lived longer because the whole database was away
    stalls: tuple[float, ...]  # when the machine was too busy to run even the clients
    skipped: dict[str, str]

    @property
    def sound(self) -> bool:
        """Whether every counter is 0."""
        return not any(self.counters.values())


def report(outcome: Outcome) -> Report:
    """Everything that is counted of a world."""
    history = outcome.history
    findings = check(history)
    recovered = recoveries(history)
    late = sum(seconds > NORMAL_WITHIN_SECONDS for _, seconds in recovered)
    counters = {**counted(findings), "late_recoveries": late, "nodes_that_ended": len(outcome.deaths)}
    counters["clients_left"] = outcome.left
    return Report(
        history.world,
        counters,
        findings,
        recovered,
        _kinds(event.kind for event in history.events),
        _kinds(event.kind for event in history.events if event.status in {0, 503}),
        while_cut_off(history),
        tuple(history.stalls),
        outcome.skipped,
    )


def table(reports: Sequence[Report], *, seed: int) -> str:
    """For people."""
    lines = [f"seed {seed}, {sum(len(one.recovered) for one in reports)} faults"]
    for one in reports:
        lines += ["", f"{one.world}: {'all counters 0' if one.sound else 'NOT ALL COUNTERS ARE 0'}", ""]
        lines += [f"  {name:22}{value:8}" for name, value in one.counters.items()]
        lines += ["", f"  {'request':22}{'sent':>8}{'no answer, or 503':>20}"]
        lines += [f"  {kind:22}{one.requests[kind]:8}{one.unanswered[kind]:20}" for kind in KINDS]
        lines += ["", f"  {'fault':22}{'times':>8}{'normal after: median':>22}{'worst':>9}"]
        lines += [f"  {kind:22}{len(some):8}{median(some):20.2f} s{max(some):7.2f} s" for kind, some in _by_kind(one)]
        lines += [f"  {kind:22} skipped: {why}" for kind, why in one.skipped.items()]
        lines += ["", f"  let in while the whole database was away, and no guard could know: {one.outages}"]
        lines += [_stalls(one.stalls)]
        lines += [_finding(finding) for finding in one.findings[:_SHOWN]]
        lines += [_late(fault, seconds) for fault, seconds in one.recovered if seconds > NORMAL_WITHIN_SECONDS]
    return "\n".join(lines)


def document(reports: Sequence[Report], *, seed: int) -> str:
    """As JSON."""
    worlds = {
        one.world: {
            "counters": one.counters,
            "faults": {kind: _seconds(some) for kind, some in _by_kind(one)},
            "requests": one.requests,
            "no_answer_or_503": one.unanswered,
            "let_in_while_database_was_away": one.outages,
            "clients_held_up": {"times": len(one.stalls), "worst": round(max(one.stalls, default=0.0), 3)},
            "skipped": one.skipped,
            "findings": [f"{finding.counter}: {finding.about}: {finding.because}" for finding in one.findings],
        }
        for one in reports
    }
    return json.dumps({"seed": seed, "sound": all(one.sound for one in reports), "worlds": worlds}, indent=2)


def _seconds(some: Sequence[float]) -> dict[str, Any]:
    worst = max(some)
    return {
        "times": len(some),
        "normal_after_median": round(median(some), 3),
        "normal_after_worst": None if math.isinf(worst) else round(worst, 3),
    }


def _by_kind(one: Report) -> list[tuple[str, list[float]]]:
    kinds = dict.fromkeys(fault.kind for fault, _ in one.recovered)
    return [(kind, [seconds for fault, seconds in one.recovered if fault.kind == kind]) for kind in sorted(kinds)]


def _kinds(seen: Iterable[str]) -> dict[str, int]:
    counts = Counter(seen)
    return {kind: counts[kind] for kind in KINDS}


def _stalls(stalls: Sequence[float]) -> str:
    if not stalls:
        return "  the clients themselves were never held up"
    worst = max(stalls)
    return f"  the machine was busy: the clients themselves were held up {len(stalls)} times, {worst:.2f} s at worst"


def _finding(finding: Finding) -> str:
    event = finding.event
    return (
        f"  {finding.counter}: {event.kind} of {event.user} at {event.at}, sent {event.sent_at:.3f},"
        f" answered {event.ended_at:.3f} with {event.status}: {finding.because}"
    )


def _late(fault: Fault, seconds: float) -> str:
    return f"  late: {fault.kind} {fault.detail} {fault.begun_at:.3f} to {fault.ended_at:.3f}: {seconds:.2f} s"
