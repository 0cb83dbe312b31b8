"""What is counted, for Prometheus: in a registry of our own, without a name, an address or a token in any label.

Answers and refreshes are counted in plain dictionaries by the event loop's thread, and become Prometheus' words only
when somebody asks: with its own counters, which lock, each answer would cost several microseconds more.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_NAMES = (*map(str, _BOUNDS), "+Inf")


class Meters:
    """One set of meters for each application, so that two in a process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ready = Gauge("jotgate_ready", "1 when requests are served, else 0", registry=self.registry)
        self.waiting = Gauge("jotgate_feed_waiters", "Guards that wait for news", registry=self.registry)
        self._counts = _Counts()
        self.registry.register(self._counts)

    def answered(self, method: str, route: str, *, status: int, code: str, seconds: float) -> None:
        """Count one answer; `route` is the template, never the path that was asked for."""
        counts = self._counts
        counts.answers[method, route, status, code] += 1
        times = counts.times.get(route)
        if times is None:
            times = counts.times[route] = _Times()
        times.buckets[bisect_left(_BOUNDS, seconds)] += 1
        times.total += seconds

    def refreshed(self, decision: str) -> None:
        """Count one refresh by how it was decided."""
        self._counts.refreshes[decision] += 1

    def text(self) -> bytes:
        """Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)


@dataclass(slots=True)
class _Times:
    buckets: list[int] = field(default_factory=lambda: [0] * len(_NAMES))
    total: float = 0.0


class _Counts(Collector):
    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, int, str]] = Counter()
        self.refreshes: Counter[str] = Counter()
        self.times: dict[str, _Times] = {}

    def collect(self) -> Iterator[Metric]:
        """In Prometheus' words."""
        labels = ("method", "route", "status", "code")
        answers = CounterMetricFamily("jotgate_requests", "Requests by route and outcome", labels=labels)
        for (method, route, status, code), count in self.answers.items():
            answers.add_metric((method, route, str(status), code), count)
        yield answers
        refreshes = CounterMetricFamily("jotgate_refreshes", "Refreshes by decision", labels=("decision",))
        for decision, count in self.refreshes.items():
            refreshes.add_metric((decision,), count)
        yield refreshes
        times = HistogramMetricFamily("jotgate_request_seconds", "Time to the answer", labels=("route",))
        for route, seen in self.times.items():
            times.add_metric((route,), tuple(zip(_NAMES, accumulate(seen.buckets), strict=True)), seen.total)
        yield times
