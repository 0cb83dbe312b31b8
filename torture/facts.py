"""What a history proves, and what it leaves possible.

ended, proven...    acknowledged before an instant: from then on everybody must see it
may...              sent before an instant and perhaps done: it explains what is seen
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from torture.history import Event

_LINGERS_SECONDS = 30.0  # a request that nobody waits for any more may still be done: by then it has been
_By = Mapping[str, list[Event]]


@dataclass(frozen=True, slots=True)
class Facts:
    """The events of a history that others are judged by, in the order in which they ended."""

    opened: Mapping[str, Event]  # acknowledged logins, by session
    logouts: _By  # by session: those that are possible
    refreshes: _By  # by session: those that were acknowledged
    logins: _By  # by user: those that were acknowledged
    passwords: _By  # by user: those that are possible
    roles: _By  # by user: those that are possible

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Facts":
        """From everything that was recorded."""
        opened: dict[str, Event] = {}
        by: dict[str, defaultdict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
        for event in events:
            if event.done and event.kind == "login":
                opened[event.session] = event
            if event.done if event.kind in {"login", "refresh"} else event.possible:
                key = event.session if event.kind in {"logout", "refresh"} else event.user
                by[event.kind][key].append(event)
        return cls(opened, by["logout"], by["refresh"], by["login"], by["password"], by["role"])

    # --- sessions

    def ended(self, session: str, *, before: float) -> Event | None:
        """What had ended the session for certain by then, the earliest."""
        done = [event for event in self._endings(session) if event.done and event.ended_at <= before]
        return min(done, key=lambda event: event.ended_at, default=None)

    def may_have_ended(self, session: str, *, before: float) -> bool:
        """Whether anything that was sent until then may have ended it."""
        return any(event.sent_at < before for event in self._endings(session))

    def was_refreshed(self, session: str, *, before: float) -> bool:
        """Whether that was acknowledged by then."""
        return any(event.ended_at <= before for event in self.refreshes.get(session, ()))

    def is_outdated(self, refresh: Event) -> bool:
        """Whether its token was neither the newest that its owner had been given, nor that one's parent."""
        assert refresh.presented is not None
        given = [
            event.given.generation
            for event in self.refreshes.get(refresh.session, ())
            if event.given is not None and event.ended_at <= refresh.sent_at
        ]
        return max(given, default=0) - refresh.presented.generation > 1

    # --- passwords and roles

    def proven_password(self, user: str, *, before: float) -> int:
        """The newest that had been set for certain, or had logged in, by then."""
        seen = (*self.passwords.get(user, ()), *self.logins.get(user, ()))
        return max((event.number for event in seen if event.done and event.ended_at <= before), default=0)

    def may_be_newer(self, user: str, number: int, *, before: float, but: Event | None = None) -> bool:
        """Whether a newer password than this may have been set by then."""
        attempts = (event for event in self.passwords.get(user, ()) if event is not but)
        return any(event.number > number and event.sent_at < before for event in attempts)

    def proven_role(self, user: str, *, before: float) -> int:
        """The newest that had been set for certain by then."""
        done = (event.number for event in self.roles.get(user, ()) if event.done and event.ended_at <= before)
        return max(done, default=0)

    def may_have_role(self, user: str, number: int, *, before: float) -> bool:
        """Whether an attempt to set this role, of which nobody has heard, may have been done last."""
        return any(event.number == number and _lingers(event, before) for event in self.roles.get(user, ()))

    def may_have_role_after(self, user: str, number: int, *, before: float) -> bool:
        """Whether claims with this role may be old by then."""
        attempts = self.roles.get(user, ())
        return any((event.number > number and event.sent_at < before) or _lingers(event, before) for event in attempts)

    # --- access tokens

    def dead_since(self, guarded: Event) -> Event | None:
        """What had ended this access token for certain when it was shown, the earliest."""
        dead = [event for event in self._endings(guarded.session) if event.done]
        dead += [event for event in self.roles.get(guarded.user, ()) if event.done and event.number > guarded.number]
        shown = (event for event in dead if event.ended_at <= guarded.sent_at)
        return min(shown, key=lambda event: event.ended_at, default=None)

    def _endings(self, session: str) -> Iterator[Event]:
        """Its own logouts, and new passwords that were set by other sessions."""
        yield from self.logouts.get(session, ())
        login = self.opened.get(session)
        for event in self.passwords.get(login.user, ()) if login else ():
            if login and event.session != session and event.number > login.number:
                yield event


def _lingers(event: Event, before: float) -> bool:
    return not event.done and before - _LINGERS_SECONDS < event.sent_at < before
