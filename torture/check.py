"""The checker: from a history alone to what must not have happened.

    counter              counted
    -------              -------
    lost                 an acknowledged effect that is not there: a session that a login opened and that was never
                         refreshed is unknown; a session that was logged out is refreshed; an old password logs in, or
                         the only possible one does not; a session opened with an old password is refreshed; a refresh
                         brings an older role than the one that was set
    second_successors    two different refresh tokens of one generation of one session, or for one presented token
    stranded             a refresh with the newest token, or its parent, is refused, and nobody ended the session
    accepted_late        a guard lets an access token in more than a second after the logout, or the change of password
                         or role, that ended it was acknowledged; for as long as the whole database was away, and
                         two seconds, more only by a guard that serves on without news (see `allowance`)
    refused              a good access token is refused: by a guard, or by the issuer's own routes
    server_errors        an answer 5xx that is not 503
    unexplained          any other answer that no rule expects: a 429, a 422, a 404

What is not answered, or answered 5xx, may have happened: now, later, or never. It explains a refusal and proves
nothing. What is answered 4xx has not happened. Of two requests at the same time either may have been first. Each
session counts once in `lost` and in `stranded`, each access token once for each guard in `accepted_late`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torture.allowance import accepted_until
from torture.facts import Facts
from torture.history import Event, Fault, History

COUNTERS = (
    "lost",
    "second_successors",
    "stranded",
    "accepted_late",
    "refused",
    "server_errors",
    "unexplained",
)
_WRONG_PASSWORD, _ENDED = "invalid_credentials", frozenset({"refresh_invalid", "refresh_replayed"})
_REVOKED, _STALE = "token_revoked", "claims_stale"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not have happened. `about` is what counts once."""

    counter: str
    about: str
    because: str
    event: Event


def check(history: History) -> tuple[Finding, ...]:
    """Everything that must not have happened, each once, in the order of the events."""
    facts = Facts.of(history.events)
    found: dict[tuple[str, str], Finding] = {}
    for event in history.events:
        for finding in _judge(event, facts, history.faults):
            found.setdefault((finding.counter, finding.about), finding)
    for finding in _second_successors(history.events):
        found.setdefault((finding.counter, finding.about), finding)
    return tuple(found.values())


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each, also of those that there are none of."""
    kinds = [finding.counter for finding in findings]
    return {counter: kinds.count(counter) for counter in COUNTERS}


def _judge(event: Event, facts: Facts, faults: Iterable[Fault]) -> Iterator[Finding]:
    if event.status >= 500 and event.status != 503:
        yield Finding("server_errors", _moment(event), f"{event.status} {event.code}", event)
    elif not event.possible or event.done:
        match event.kind:
            case "login":
                yield from _login(event, facts)
            case "refresh":
                yield from _refresh(event, facts)
            case "guarded":
                yield from _guarded(event, facts, faults)
            case "logout" | "password" | "role":
                yield from _change(event, facts)


def _login(event: Event, facts: Facts) -> Iterator[Finding]:
    newer = facts.proven_password(event.user, before=event.sent_at)
    if event.done and event.number < newer:
        yield Finding("lost", _moment(event), f"password {event.number} logs in, {newer} was set", event)
    elif event.code == _WRONG_PASSWORD:
        if event.number == newer and not facts.may_be_newer(event.user, event.number, before=event.ended_at):
            yield Finding("lost", _moment(event), f"password {event.number} was set and does not log in", event)
    elif not event.done:
        yield _unexplained(event)


def _refresh(event: Event, facts: Facts) -> Iterator[Finding]:
    if event.done:
        if ending := facts.ended(event.session, before=event.sent_at):
            yield Finding("lost", event.session, f"refreshed after the {ending.kind} at {ending.ended_at:.3f}", event)
        role = facts.proven_role(event.user, before=event.sent_at)
        if event.number < role and not facts.may_have_role(event.user, event.number, before=event.ended_at):
            yield Finding("lost", _moment(event), f"role {event.number} after {role} was set", event)
    elif event.code not in _ENDED:
        yield _unexplained(event)
    elif facts.may_have_ended(event.session, before=event.ended_at) or facts.is_outdated(event):
        return
    elif facts.was_refreshed(event.session, before=event.sent_at):
        yield Finding("stranded", event.session, f"{event.code}, and nobody ended the session", event)
    else:
        yield Finding("lost", event.session, f"{event.code}, and the login was acknowledged", event)


def _guarded(event: Event, facts: Facts, faults: Iterable[Fault]) -> Iterator[Finding]:
    if event.done:
        dead = facts.dead_since(event)
        if dead is not None and event.sent_at > accepted_until(dead.ended_at, event.at, faults):
            late = event.sent_at - dead.ended_at
            about = f"{event.at} {event.session} {event.number}"
            yield Finding("accepted_late", about, f"{late:.2f} s after the {dead.kind}", event)
    elif event.code not in {_REVOKED, _STALE}:
        yield _unexplained(event)
    elif not _explained(event, facts):
        yield Finding("refused", _moment(event), event.code, event)


def _change(event: Event, facts: Facts) -> Iterator[Finding]:
    if event.done:
        return
    if event.kind == "password" and event.code == _WRONG_PASSWORD:
        proven = facts.proven_password(event.user, before=event.sent_at)
        if not facts.may_be_newer(event.user, proven, before=event.ended_at, but=event):
            yield Finding("lost", _moment(event), "the password that was set is not the current one", event)
    elif event.code not in {_REVOKED, _STALE}:
        yield _unexplained(event)
    elif not _explained(event, facts):
        yield Finding("refused", _moment(event), event.code, event)


def _explained(event: Event, facts: Facts) -> bool:
    """Whether an access token may have been refused: its session is over, or its claims are old."""
    if event.code == _STALE:
        return facts.may_have_role_after(event.user, event.number, before=event.ended_at)
    return facts.may_have_ended(event.session, before=event.ended_at)


def _second_successors(events: Iterable[Event]) -> Iterator[Finding]:
    made: dict[tuple[str, str], str] = {}
    for event in events:
        if event.kind not in {"login", "refresh"} or not event.done or event.given is None:
            continue
        keys = [(event.session, f"generation {event.given.generation}")]
        keys += [] if event.presented is None else [(event.session, f"of {event.presented.digest}")]
        for session, what in keys:
            if made.setdefault((session, what), event.given.digest) != event.given.digest:
                yield Finding("second_successors", f"{session} {what}", f"another one, {what}", event)


def _unexplained(event: Event) -> Finding:
    return Finding("unexplained", _moment(event), f"{event.kind}: {event.status} {event.code}", event)


def _moment(event: Event) -> str:
    return f"{event.kind} {event.user} {event.at} {event.sent_at:.6f}"
