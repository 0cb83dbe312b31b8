"""From a path to its routes: exact paths by one look-up, those with a `{name}` by their segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jotgate.server.gate import Route

Methods = Mapping[str, Route]
_MAX_SEGMENTS = 16


@dataclass(slots=True)
class _Branch:
    routes: dict[str, Route] = field(default_factory=dict)
    named: dict[str, "_Branch"] = field(default_factory=dict)
    any: "_Branch | None" = None


class Table:
    """All routes, each at its path below every one of `bases`."""

    def __init__(self, routes: Sequence[Route], *, bases: Sequence[str] = ("",)) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._tree = _Branch()
        for path, route in ((base + route.path, route) for base in bases for route in routes):
            if "{" in path:
                self._grow(path, route)
            else:
                self._exact.setdefault(path, {})[route.method] = route

    def find(self, path: str) -> tuple[Methods, str] | None:
        """The methods of a path, and the text at its `{name}`; None: there is no such path."""
        exact = self._exact.get(path)
        return self._climb(path) if exact is None else (exact, "")

    def _grow(self, path: str, route: Route) -> None:
        branch = self._tree
        for segment in path.split("/"):
            if segment.startswith("{"):
                branch.any = branch.any or _Branch()
                branch = branch.any
            else:
                branch = branch.named.setdefault(segment, _Branch())
        branch.routes[route.method] = route

    def _climb(self, path: str) -> tuple[Methods, str] | None:
        branch = self._tree
        target = ""
        for segment in path.split("/", _MAX_SEGMENTS):
            named = branch.named.get(segment)
            if named is None and segment:
                target, named = segment, branch.any
            if named is None:
                return None
            branch = named
        return (branch.routes, target) if branch.routes else None
