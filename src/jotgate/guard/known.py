"""What a guard knows of its issuer: the keys and the revocations of this moment, wherever they come from.

    source     keys                   revocations          asks the network
    -------    -------------------    -----------------    --------------------
    Given      given                  none                 never
    Local      the issuer's own       the issuer's own     never
    Courier    the issuer's keys      the issuer's feed    in threads of its own

`stamp` is another object whenever keys or revocations have changed: what was judged under the same stamp need not be
judged again. It is read before anything else is looked at, and replaced after everything else was changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from jotgate.guard.revoked import Revoked
from jotgate.jose.jwk import Key
from jotgate.jose.jws import Keys


@dataclass(frozen=True, slots=True)
class NeedKeys:
    """A token cannot be judged before this has come from the issuer: its key set, its first news, or both."""

    keys: bool
    news: bool = False
    since: float = field(default=0.0, compare=False)  # on the monotonic clock: what came later may do


@dataclass(frozen=True, slots=True)
class Status:
    """How fresh what a guard knows is. Ages in seconds; None: never."""

    keys_age: float | None = None
    news: str = "off"  # or waiting, open, absent (the issuer has no feed), failing
    news_age: float | None = None
    revocations: int = 0  # that still matter
    remembered: int = 0  # verified tokens
    problems: tuple[str, ...] = ()
    nats: str = "off"  # or away, open
    refused: int = 0  # messages that came over NATS and were not believed


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """The issuer's secret as a set of one, whatever the issuer calls it."""

    key: Key
    known: dict[bytes, Any] = field(default_factory=dict, repr=False, compare=False)  # see `jws.Keys`

    def pick(self, kid: str | None, alg: str) -> Key:  # noqa: ARG002  # there is only one
        """The secret. Raises `SignatureInvalid` where the header names another algorithm."""
        return self.key.pick(None, alg)


class Known(Protocol):
    """Keys and revocations, as a guard asks for them."""

    @property
    def stamp(self) -> object:
        """Another object whenever something has changed."""

    @property
    def revoked(self) -> Revoked | None:
        """The revocations, where there are any to know."""

    def look(self, *, now: float) -> Keys | NeedKeys:
        """The keys at `now` of a monotonic clock, or what must come first.

        Raises:
            KeysUnavailable: there are none, and asking cannot help yet.
        """


class Given:
    """Keys that were given, and nothing else."""

    __slots__ = ("_keys", "revoked", "stamp")

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.revoked: Revoked | None = None
        self.stamp: object = self

    def look(self, *, now: float) -> Keys:  # noqa: ARG002  # they do not age
        """Always the same."""
        return self._keys


class Local:
    """The issuer's own keys and revocations, in the issuer's own process: asked with every token."""

    __slots__ = ("_keys", "_seen", "revoked")

    def __init__(self, keys: Callable[[], Keys], revoked: Revoked | None) -> None:
        self._keys = keys
        self.revoked = revoked
        self._seen: tuple[object, object, object] = (None, None, self)

    @property
    def stamp(self) -> object:
        """Another object when the issuer holds another set or has revoked something."""
        keys, news = self._keys(), None if self.revoked is None else self.revoked.stamp
        seen = self._seen
        if seen[0] is not keys or seen[1] is not news:
            seen = self._seen = (keys, news, object())
        return seen[2]

    def look(self, *, now: float) -> Keys:  # noqa: ARG002  # they do not age
        """What the issuer uses now."""
        return self._keys()
