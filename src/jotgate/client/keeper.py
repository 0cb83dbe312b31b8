"""The keeper: the tokens that are held, and their renewal, once for all who ask.

    asked for another token than       what happens
    -------------------------------    ---------------------------------------------------------------------------
    one that is held no longer         the one that is held: somebody was faster
    the one that is held               a flight: renewed, and whoever asks meanwhile shares it
    any, after a failure just now      Away: for 1 s, twice as long each time, a minute at most, or what the
                                       issuer asked for: no storm on one who lies down
    any, after the session's end       Over, until the token file has another session

A flight with a token file takes its lock and looks there first: what another process has fetched is adopted. Without a
file the tokens belong to one process: a forked child would use them a second time.
"""

import logging
import math
import os
import random
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Final

from jotgate.client import answers, tokens
from jotgate.client.answers import Away, Outcome, Over, Unfit
from jotgate.client.flight import Flight
from jotgate.client.issuer import Issuer
from jotgate.client.tokenfile import Saved, TokenFile
from jotgate.client.tokens import Plan, Tokens
from jotgate.errors import TokenFileRefused, Unavailable

log = logging.getLogger("jotgate.client")

_LONGEST_REST: Final = 60.0


class Keeper:
    """Safe for threads; only its flight, one at a time, changes the tokens."""

    def __init__(self, issuer: Issuer, given: Tokens, *, file: TokenFile | None = None, serial: int = 0) -> None:
        """`serial`: that of the file, where the tokens stand in one."""
        self.issuer = issuer
        self._file = file
        self._serial = serial
        self._hold(given)
        self._over: Over | None = None
        self._doubted = ""
        self._doubts_until = -math.inf
        self._failures = 0
        self._failed = Away("")
        self._told = ""
        self._rests_until = -math.inf
        self._flight: Flight[Outcome] = Flight()
        _alive.add(self)

    @property
    def tokens(self) -> Tokens:
        """What is held now, as it is."""
        return self._held.tokens

    def course(self) -> tuple[str, Future[Outcome] | None]:
        """The token to send, or what has to be waited for instead."""
        held = self._held
        plan = Plan.FIRST if self._over is not None else tokens.plan(held, clock=self.issuer.clock())
        coming = None if plan is Plan.SEND else self.renewal(held.tokens.access)
        return held.tokens.access, coming if plan is Plan.FIRST else None

    def renewal(self, stale: str) -> Future[Outcome]:
        """Another access token than this one."""
        return self._flight.board(lambda: self._known(stale), lambda: self._fly(stale))

    def doubt(self, token: str) -> bool:
        """A service refuses this token: whether another one is worth asking for, by the table of `tokens`."""
        held = self.tokens
        if held.access != token or token == self._doubted:  # there is one, or it is being asked for
            return True
        paid = tokens.doubted(self._doubts_until, now=time.monotonic())
        if held.refresh is None or paid is None:
            return False
        self._doubted, self._doubts_until = token, paid
        return True

    def put_down(self) -> None:
        """Write the tokens of a new login into the file. Raises `TokenFileRefused`, `Unavailable`."""
        with self._alone():
            if self._file is not None:
                with suppress(TokenFileRefused):  # it is replaced
                    saved = self._file.read()
                    self._serial = self._serial if saved is None else saved.serial
            self._save()

    def end(self) -> None:
        """Log out what is held, by all processes of the file. Raises `Unavailable`, `TokenFileRefused`."""
        with self._alone():
            if self._over is not None:
                return
            self._adopted()
            held = self.tokens
            body, bearer = ({}, held.access) if held.refresh is None else ({"refresh_token": held.refresh}, None)
            answers.settled(
                self.issuer.persevere(lambda: answers.ended(self.issuer.post("/logout", body, bearer=bearer)))
            )
            self._over = Over("logged out: log in again")
            if self._file is not None:
                self._file.remove()

    def after_fork(self) -> None:
        """In the child: the parent's flight lands with the parent."""
        self._flight = Flight()

    # --- the flight

    def _known(self, stale: str) -> Outcome | None:
        """What needs no flight; with a file there may always be something new in it."""
        if self._over is None and self.tokens.access != stale:
            return self.tokens
        return None if self._file is not None else self._over or self._without_successor() or self._resting()

    def _without_successor(self) -> Over | None:
        return Over("there is no refresh token: log in again") if self.tokens.refresh is None else None

    def _resting(self) -> Away | None:
        left = self._rests_until - time.monotonic()
        return None if left <= 0 else Away(self._failed.why, retry_after=math.ceil(left))

    def _fly(self, stale: str) -> Outcome:
        outcome: Outcome | None
        try:
            outcome = self._found(stale) or self._over or self._without_successor() or self._resting()
            if outcome is None:
                with self._alone():
                    outcome = self._found(stale) or self._over or self._asked()
        except Unavailable as error:
            outcome = self._rest_after(Away(error.detail, retry_after=error.retry_after))
        except TokenFileRefused as error:
            outcome = Unfit(error.detail)
        self._tell("" if isinstance(outcome, Tokens) else outcome.why)
        return outcome

    def _found(self, stale: str) -> Tokens | None:
        """What another process has put down."""
        return self.tokens if self._adopted() and self.tokens.access != stale and not self._spent() else None

    def _asked(self) -> Outcome:
        """What the issuer says; once it has tokens for us, they are ours."""
        held = self.tokens
        body = {"refresh_token": held.refresh}
        outcome = self.issuer.persevere(lambda: answers.refreshed(self.issuer.post("/refresh", body), held))
        if self._over is not None:  # logged out meanwhile
            return self._over
        match outcome:
            case Tokens():
                self._failures = 0
                self._hold(outcome)
                self._try_to_save()
            case Over():
                self._over = outcome
            case Away():
                self._rest_after(outcome)
        return outcome

    def _rest_after(self, failed: Away) -> Away:
        pause = min(2.0 ** min(self._failures, 6), _LONGEST_REST) * random.uniform(0.75, 1.25)  # noqa: S311  # no secret
        self._failures += 1
        self._failed = failed
        self._rests_until = time.monotonic() + max(failed.retry_after, pause)
        return failed

    def _tell(self, why: str) -> None:
        """Once, not at every request."""
        if why and why != self._told:
            log.warning("the tokens of %s were not renewed: %s", self.issuer.url, why)
        self._told = why

    def _spent(self) -> bool:
        return tokens.plan(self._held, clock=self.issuer.clock()) is Plan.FIRST

    def _hold(self, given: Tokens) -> None:
        self._held = tokens.hold(given, jitter=random.random())  # noqa: S311  # no secret

    # --- the file

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else is at the token file. Raises `Unavailable`, `TokenFileRefused`."""
        if self._file is None:
            yield
            return
        with self._file.alone(seconds=self.issuer.patience_seconds):
            yield

    def _adopted(self) -> bool:
        """Whether the file had other, newer tokens; they are held now. Raises `TokenFileRefused`."""
        saved = None if self._file is None else self._file.read()
        if saved is None:
            return False
        saved.check(self.issuer.url, self.issuer.prefix)
        if saved.serial < self._serial or saved.tokens == self.tokens:
            return False
        self._serial = saved.serial
        self._hold(saved.tokens)
        self._over = None
        return True

    def _save(self) -> None:
        """Raises `TokenFileRefused`."""
        if self._file is None:
            return
        self._serial = max(self._serial + 1, int(self.issuer.clock() * 1000))
        self._file.write(Saved(self.issuer.url, self.issuer.prefix, serial=self._serial, tokens=self.tokens))

    def _try_to_save(self) -> None:
        """This process has its tokens in any case; to the others the issuer repeats its answer."""
        try:
            self._save()
        except TokenFileRefused as error:
            log.warning("%s", error.detail)


_alive: weakref.WeakSet[Keeper] = weakref.WeakSet()


def _after_fork() -> None:
    for keeper in list(_alive):
        keeper.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
