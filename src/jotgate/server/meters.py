"""What is counted, for Prometheus: in a registry of our own, without a name, an address or a token in any label."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Meters:
    """One set of meters for each application, so that two in a process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ready = Gauge("jotgate_ready", "1 when requests are served, else 0", registry=self.registry)
        self.waiting = Gauge("jotgate_feed_waiters", "Guards that wait for news", registry=self.registry)
        self.refreshes = Counter("jotgate_refreshes", "Refreshes by decision", ("decision",), registry=self.registry)
        self._requests = Counter(
            "jotgate_requests",
            "Requests by route and outcome",
            ("method", "route", "status", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "jotgate_request_seconds", "Time to the answer", ("route",), buckets=_BUCKETS, registry=self.registry
        )
        self._counters: dict[tuple[str, str, int, str], Counter] = {}
        self._clocks: dict[str, Histogram] = {}

    def answered(self, method: str, route: str, *, status: int, code: str, seconds: float) -> None:
        """Count one answer; `route` is the template, never the path that was asked for."""
        key = (method, route, status, code)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._requests.labels(method, route, str(status), code)
            self._clocks.setdefault(route, self._seconds.labels(route))
        counter.inc()
        self._clocks[route].observe(seconds)

    def text(self) -> bytes:
        """Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)
