"""Who is asking, and whether that is enough (RFC 6750 section 3.1, RFC 9470)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from jotgate.errors import RoleMissing, ScopeMissing, StepUpRequired
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
        Requirement.of(role=role, scope=scope, match=match).check(self, now=0)

    def require_fresh(self, max_age: int, *, now: float) -> None:
        """Return if the login behind the token is at most `max_age` seconds old. Raises `StepUpRequired`."""
        Requirement.of(max_age=max_age).check(self, now=now)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a route asks of its callers."""

    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    match: Literal["all", "any"] = "all"
    max_age: int | None = None  # seconds since the login

    @classmethod
    def of(
        cls,
        *,
        role: str | Iterable[str] = (),
        scope: str | Iterable[str] = (),
        match: Literal["all", "any"] = "all",
        max_age: int | None = None,
    ) -> "Requirement":
        """One text or several; scopes may also stand in one text with spaces between (RFC 6749 section 3.3).

        Raises:
            ValueError: a requirement of nothing would let everybody in.
        """
        roles = (role,) if isinstance(role, str) else tuple(role)
        scopes = tuple(scope.split()) if isinstance(scope, str) else tuple(scope)
        if not all(roles) or not all(scopes) or not (roles or scopes or max_age is not None):
            raise ValueError("a requirement names at least one role or scope, or a max_age")
        if match not in {"all", "any"}:
            raise ValueError('match is "all" or "any"')
        if max_age is not None and (type(max_age) is not int or max_age < 1):
            raise ValueError("max_age is 1 second or more")
        return cls(roles, scopes, match, max_age)

    @classmethod
    def maybe(
        cls,
        *,
        role: str | Iterable[str] = (),
        scope: str | Iterable[str] = (),
        match: Literal["all", "any"] = "all",
        max_age: int | None = None,
    ) -> "Requirement | None":
        """None where nothing is named: a good token is enough."""
        if role == () and scope == () and max_age is None:
            return None
        return cls.of(role=role, scope=scope, match=match, max_age=max_age)

    def check(self, principal: Principal, *, now: float) -> None:
        """Return if the principal has it. Raises `RoleMissing`, `ScopeMissing` or `StepUpRequired`."""
        enough = all if self.match == "all" else any
        if self.roles and not enough(role in principal.roles for role in self.roles):
            raise RoleMissing(f"needs {self.match} of the roles {' '.join(self.roles)}", scope=" ".join(self.scopes))
        if self.scopes and not enough(_covered(scope, principal.scopes) for scope in self.scopes):
            raise ScopeMissing(f"needs {self.match} of the scopes", scope=" ".join(self.scopes))
        if self.max_age is not None:
            login_at = principal.claims.get("auth_time")
            if not isinstance(login_at, int) or now - login_at > self.max_age:
                raise StepUpRequired("the login is too long ago, or the token does not say when", max_age=self.max_age)


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
