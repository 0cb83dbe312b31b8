"""Refresh rotation: what came in and what is stored make one decision (RFC 9700 section 4.14).

    presented               session                                          decision
    ---------               -------                                          --------
    any                     none, closed, over, wrong seed, wrong client     Refuse
    = generation            open                                             Rotate: generation + 1, parent = presented
    = parent                open, within the grace after `rotated_at`        Repeat: the current one, nothing is written
    = parent                open, later, within the recovery, and            Recover: generation + 1, parent stays,
                            generation = parent + 1                          what lies between is dead
    any other older one     open                                             Replay: close it, tell feed and owner
    newer by at most 100    open                                             Rotate from there: the row forgot
    newer by more           open                                             Refuse
    any of them             open, and the counter would leave its 32 bits    Refuse

A login opens generation 0 with parent -1: nothing that can be presented is its parent. Grace and recovery count whole
seconds and include their last one, so that nobody gets less than was promised; 0 switches either off.
"""

from dataclasses import dataclass
from hmac import compare_digest
from typing import TypeAlias

from jotgate.core.model import Session
from jotgate.core.policy import Policy
from jotgate.core.refresh_token import MAX_GENERATION, Presented, seed_hash

FIRST_GENERATION = 0
NO_PARENT = -1
MAX_NEWER_BY = 100  # a power cut forgets the last moments, not a history


@dataclass(frozen=True, slots=True)
class Rotate:
    """Move the counter to `generation`, minted from `parent`. `newer_by` over 0: the row had forgotten; audit it."""

    generation: int
    parent: int
    newer_by: int = 0


@dataclass(frozen=True, slots=True)
class Repeat:
    """Mint the session's current generation again: the last answer was lost, or two came at once."""


@dataclass(frozen=True, slots=True)
class Recover:
    """Move the counter to `generation`; the parent stays, the generation between is dead."""

    generation: int
    parent: int


@dataclass(frozen=True, slots=True)
class Replay:
    """An older token came back: close the session before anything is answered."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """No tokens, and nothing changes; `why` is for the log."""

    why: str


Decision: TypeAlias = Rotate | Repeat | Recover | Replay | Refuse


def decide(
    session: Session | None, presented: Presented, *, now: int, policy: Policy, client_id: str | None = None
) -> Decision:
    """What the presented token may do. `client_id` is who presents it; None: the caller does not tell clients apart."""
    if session is None or session.id != presented.session_id:
        return Refuse("no such session")
    if not compare_digest(session.seed_hash, seed_hash(presented.seed)):
        return Refuse("the seed is not the session's")
    if client_id is not None and client_id != session.client_id:
        return Refuse("the session belongs to another client")
    if over := _over(session, now=now):
        return Refuse(over)
    if presented.generation < session.generation:
        return _older(session, presented.generation, now=now, policy=policy)
    return _current_or_newer(session, presented.generation)


def _over(session: Session, *, now: int) -> str:
    """Why the session is over, or nothing. On or after its end is too late, as with `exp`."""
    if session.closed_at is not None:
        return "the session is closed"
    if now >= session.expires_at:
        return "the session has expired"
    if now >= session.rotated_at + session.idle_seconds:
        return "the session was idle for too long"
    return ""


def _current_or_newer(session: Session, generation: int) -> Decision:
    newer_by = generation - session.generation
    if newer_by > MAX_NEWER_BY:
        return Refuse(f"newer than the session by {newer_by}")
    if generation >= MAX_GENERATION:
        return Refuse("the session's counter is at its end")
    return Rotate(generation + 1, parent=generation, newer_by=newer_by)


def _older(session: Session, generation: int, *, now: int, policy: Policy) -> Decision:
    if generation != session.parent:
        return Replay()
    age = now - session.rotated_at
    if policy.grace and age <= policy.grace:
        return Repeat()
    if not policy.recovery or age > policy.recovery or session.generation != session.parent + 1:
        return Replay()
    if session.generation >= MAX_GENERATION:
        return Refuse("the session's counter is at its end")
    return Recover(session.generation + 1, parent=session.parent)
