"""Metrics: what a guard tells whoever wants to count; never a token, never who is asking.

    kind        when                                         code                     seconds
    --------    -----------------------------------------    ---------------------    --------------------------------
    verified    a token is good                              ""                       that looking at it took
    refused     a token is not, or a request is answered     of the error             the same; 0.0 without a token
    keys        the key set was asked for                    "", keys_unavailable     until the answer
    news        the feed was asked for a page                "", news_unavailable,    until the answer: it waits for
                                                             news_absent              something to say

A hook is called in the thread that the event happens in and must not block. What it raises is logged once, and changes
nothing.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any, Final, Literal

import msgspec

from jotgate.errors import JotgateError
from jotgate.guard.known import NeedKeys
from jotgate.guard.principal import Principal
from jotgate.guard.waiting import waited

KEYS_UNAVAILABLE: Final = "keys_unavailable"
NEWS_UNAVAILABLE: Final = "news_unavailable"
NEWS_ABSENT: Final = "news_absent"  # the issuer has no feed

Kind = Literal["verified", "refused", "keys", "news"]
Told = Callable[[Kind, str, float], None]
log = logging.getLogger("jotgate.guard")


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that may be counted."""

    kind: Kind
    code: str  # stable: that of the error, or "" where all is well
    seconds: float


class Observer:
    """A hook that cannot break what it looks at."""

    __slots__ = ("_complaints", "hook")

    def __init__(self, hook: Callable[[Event], object]) -> None:
        self.hook = hook
        self._complaints = ["observe: the hook failed; it is called all the same from now on, without a word"]

    def tell(self, kind: Kind, code: str, seconds: float) -> None:
        """Call the hook."""
        try:
            self.hook(Event(kind, code, seconds))
        except Exception:  # a counter that fails is no reason to refuse anybody
            with suppress(IndexError):  # of several threads one gets it
                log.exception(self._complaints.pop())


def unheard(_kind: Kind, _code: str, _seconds: float) -> None:
    """Nobody looks."""


def attach(guard: Any, observer: Observer) -> None:
    """Put the observed ways of asking in front of those of this `Guard`; one that nobody observes has none of it."""
    check, arrivals, answer = guard.check, guard.arrivals, guard.answer

    def observed_check(token: str | bytes, *, now: float) -> Principal | NeedKeys:
        begun_at = perf_counter()
        try:
            verdict: Principal | NeedKeys = check(token, now=now)
        except JotgateError as error:
            _refused(observer, error, perf_counter() - begun_at)
            raise
        if isinstance(verdict, Principal):
            observer.tell("verified", "", perf_counter() - begun_at)
        return verdict

    def observed_verify(token: str | bytes) -> Principal:
        try:
            return waited(lambda: observed_check(token, now=guard.clock()), arrivals)
        except JotgateError as error:
            _refused(observer, error, 0.0)
            raise

    def observed_answer(error: JotgateError) -> Any:
        _refused(observer, error, 0.0)
        return answer(error)

    vars(guard).update(check=observed_check, verify=observed_verify, answer=observed_answer)


def _refused(observer: Observer, error: JotgateError, seconds: float) -> None:
    """Once an error, however many hands it goes through."""
    if vars(error).setdefault("_told", False):
        return
    vars(error)["_told"] = True
    observer.tell("refused", error.code, seconds)
