"""Who is asking, and whether that is enough (RFC 6750 section 3.1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from jotgate.errors import RoleMissing, ScopeMissing
from jotgate.wire.scopes import matches


@dataclass(frozen=True, slots=True)
class Principal:
    """The subject of a verified access token; immutable all the way down, for requests share it."""

    sub: str
    sid: str | None = None
    roles: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def require(
        self,
        *,
        role: str | Iterable[str] = (),
        scope: str | Iterable[str] = (),
        match: Literal["all", "any"] = "all",
    ) -> None:
        """Return if the roles and the scopes are held: all that are named, or any of each kind.

        Raises:
            RoleMissing, ScopeMissing: both are `Forbidden`.
        """
        Requirement.of(role=role, scope=scope, match=match).check(self)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a route asks of its callers."""

    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    match: Literal["all", "any"] = "all"

    @classmethod
    def of(
        cls, *, role: str | Iterable[str] = (), scope: str | Iterable[str] = (), match: Literal["all", "any"] = "all"
    ) -> "Requirement":
        """One text or several; scopes may also stand in one text with spaces between (RFC 6749 section 3.3).

        Raises:
            ValueError: a requirement of nothing would let everybody in.
        """
        roles = (role,) if isinstance(role, str) else tuple(role)
        scopes = tuple(scope.split()) if isinstance(scope, str) else tuple(scope)
        if not all(roles) or not all(scopes) or not (roles or scopes):
            raise ValueError("a requirement names at least one role or scope")
        if match not in {"all", "any"}:
            raise ValueError('match is "all" or "any"')
        return cls(roles, scopes, match)

    def check(self, principal: Principal) -> None:
        """Return if the principal has it. Raises `RoleMissing` or `ScopeMissing`."""
        enough = all if self.match == "all" else any
        if self.roles and not enough(role in principal.roles for role in self.roles):
            raise RoleMissing(f"needs {self.match} of the roles {' '.join(self.roles)}", scope=" ".join(self.scopes))
        if self.scopes and not enough(_covered(scope, principal.scopes) for scope in self.scopes):
            raise ScopeMissing(f"needs {self.match} of the scopes", scope=" ".join(self.scopes))


def _covered(wanted: str, granted: frozenset[str]) -> bool:
    return wanted in granted or any(matches(scope, wanted) for scope in granted)


class FrozenDict(dict[str, Any]):
    """A dictionary that nobody changes; still a `dict`, so that every JSON encoder takes it."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("claims cannot be changed: requests share them")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type["FrozenDict"], tuple[dict[str, Any]]]:
        """Copies and pickles are made whole, not name by name."""
        return FrozenDict, (dict(self),)


def frozen(value: Any) -> Any:
    """The same JSON value with tuples for lists and dictionaries that refuse changes."""
    if isinstance(value, Mapping):
        return FrozenDict((name, frozen(inner)) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return tuple(frozen(inner) for inner in value)
    return value
