"""Histories that are written by hand: each function is a request with an answer."""

from typing import Any

from torture.history import Event, Fault, History, Kind, Token

ADA = "ada"
GUARD = "guard"
SECOND = 1.0


def login(when: float, session: str = "s1", **more: Any) -> Event:
    return _event("login", when, {"session": session, "given": made(session, 0), "status": 200, **more})


def refresh(when: float, generation: int = 0, session: str = "s1", **more: Any) -> Event:
    """Of the token of a generation, for the next one."""
    said = {"session": session, "presented": made(session, generation), "status": 200, **more}
    if 200 <= said["status"] < 300:
        said.setdefault("given", made(session, generation + 1))
    return _event("refresh", when, said)


def logout(when: float, session: str = "s1", **more: Any) -> Event:
    return _event("logout", when, {"session": session, "status": 204, **more})


def password(when: float, number: int, session: str = "s1", **more: Any) -> Event:
    return _event("password", when, {"session": session, "number": number, "status": 204, **more})


def role(when: float, number: int, **more: Any) -> Event:
    return _event("role", when, {"number": number, "status": 200, **more})


def guarded(when: float, session: str = "s1", **more: Any) -> Event:
    return _event("guarded", when, {"session": session, "status": 200, "at": GUARD, **more})


def made(session: str, generation: int, *, other: str = "") -> Token:
    return Token(generation, f"{session} {generation}{other}")


def refused(code: str, status: int = 401) -> dict[str, Any]:
    return {"status": status, "code": code}


def outage(begun_at: float, ended_at: float) -> Fault:
    return Fault("postgres killed", "", begun_at, ended_at, outage=True)


def cut(begun_at: float, ended_at: float) -> Fault:
    return Fault("one node cut off", "node 1, freeze", begun_at, ended_at)


def told(*events: Event, faults: tuple[Fault, ...] = ()) -> History:
    return History("by hand", sorted(events, key=lambda event: event.ended_at), list(faults), ended_at=1000.0)


def _event(kind: Kind, when: float, said: dict[str, Any]) -> Event:
    """Sent at this instant, answered a tenth of a second later unless `ended_at` is said."""
    return Event(**{"kind": kind, "user": ADA, "at": "node 1", "sent_at": when, "ended_at": when + 0.1, **said})
