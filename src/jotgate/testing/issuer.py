"""An issuer inside the test's own process: guards rely on its keys, its news and its clock; nothing is fetched.

    guard                                    what it relies on meanwhile
    -------------------------------------    --------------------------------------------------------
    made before, or later                    a key of this issuer, for an algorithm that it accepts
    one that would read the feed             what is revoked here, at once
    one that would not                       no news, as in production: tokens end at `exp`
    an issuer's own (`Guard.local`)          what it relied on before: it is left alone

A guard's options stay what they are: tokens are minted for the issuer and the audience that it was told, so that the
application under test is the one that will run. Signatures, claims and news are really checked.
"""

import gc
import json
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self

from jotgate.errors import Misuse
from jotgate.guard.guard import Guard, watch_guards
from jotgate.guard.known import Local
from jotgate.guard.revoked import Revoked
from jotgate.jose import b64
from jotgate.testing import badtokens
from jotgate.testing.acting import Acting, acting
from jotgate.testing.aim import Aim, aim, algorithm, django_guard, foreseen
from jotgate.testing.clock import Clock
from jotgate.testing.keyring import Keyring
from jotgate.testing.model import LIFETIME_SECONDS, SUBJECT, Model, Words, says
from jotgate.wire import feed

_FOR_EVER = 2**40  # far beyond any test's clock
_standing: list["TestIssuer"] = []


class TestIssuer:
    """Takes guards over until it is closed; best as `with TestIssuer() as issuer`."""

    __test__ = False  # for pytest, which would take it for a test

    def __init__(self, *guards: Guard, clock: Clock | None = None) -> None:
        """Without `guards`, every guard of this process, those that are made later too."""
        self.clock = clock or Clock()
        self._stack = ExitStack()
        self._guards: list[Guard] = []
        self._keyring = Keyring()
        self._news: dict[str, Revoked] = {}
        self._told: list[tuple[str, str, int | None]] = []
        self._epochs: dict[str, int] = {}
        self._actings: list[Acting] = []
        self._takes_all = not guards
        _standing.append(self)
        self._stack.callback(_standing.remove, self)
        for guard in guards:
            self.take_over(guard)
        if self._takes_all:
            _collect_strays()
            self._stack.callback(watch_guards(self.take_over))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the guards back."""
        self._stack.close()
        self._guards.clear()

    # --- guards

    def guard(self, issuer: str = "https://issuer.test", **options: Any) -> Guard:
        """A guard of one's own, with `Guard`'s options, that relies on this issuer."""
        guard = Guard(issuer, **options)
        self._stack.callback(guard.close)
        self.take_over(guard)
        return guard

    @property
    def guards(self) -> tuple[Guard, ...]:
        """Those that rely on this issuer now."""
        return tuple(self._guards)

    def take_over(self, guard: Guard) -> None:
        """From now on it relies on this issuer."""
        if any(guard is known for known in self._guards):
            return
        options = guard.options
        alg = algorithm(options)
        news = self._news_of(options.issuer) if options.pushes else None
        known = Local(lambda: self._keyring.public(alg), news)
        self._guards.append(guard)
        self._stack.enter_context(guard.relying_on(known, clock=self.clock))

    # --- tokens

    def mint(
        self, role: Words = (), scope: Words = (), *, sub: str = SUBJECT, guard: Guard | None = None, **claims: Any
    ) -> str:
        """An access token (RFC 9068) for the guards that stand here, or for this one.

        `claims` are added or changed; one that is None is left out. Where guards of several issuers stand, `guard` or
        the claim `iss` says which one is meant. Raises `Misuse` where it cannot be told.
        """
        return self.model(role, scope, sub=sub, guard=guard, **claims).good

    def headers(
        self, role: Words = (), scope: Words = (), *, sub: str = SUBJECT, guard: Guard | None = None, **claims: Any
    ) -> dict[str, str]:
        """`{"Authorization": "Bearer ..."}`, as `mint`."""
        return {"Authorization": f"Bearer {self.mint(role, scope, sub=sub, guard=guard, **claims)}"}

    def acting_as(
        self,
        client: Any,
        role: Words = (),
        scope: Words = (),
        *,
        sub: str = SUBJECT,
        guard: Guard | None = None,
        **claims: Any,
    ) -> AbstractContextManager[Any]:
        """Let a test client send such a token with every request: from now to the end of the `with`, or of the issuer.

        The client may be of any framework; see `jotgate.testing.acting`. Raises `TypeError` for what is no client.
        """
        token = self.mint(role, scope, sub=sub, guard=guard, **claims)
        role_played = acting(client, f"Bearer {token}", self._actings)
        self._stack.callback(role_played.end)
        return role_played

    def model(
        self, role: Words = (), scope: Words = (), *, sub: str = SUBJECT, guard: Guard | None = None, **claims: Any
    ) -> Model:
        """A good token in parts, as `mint` takes it."""
        at = self._aim(guard, claims.get("iss"))
        now = int(self.clock.now)
        said = says(
            role,
            scope,
            issuer=at.issuer,
            audiences=at.audiences,
            now=now,
            seconds=min(LIFETIME_SECONDS, at.max_lifetime),
            **({"sub": sub, "epoch": self._epochs.get(sub, 0)} | claims),
        )
        return Model(self._keyring.signing(at.alg), said, now, at.leeway, at.max_lifetime)

    def bad_tokens(
        self, role: Words = (), scope: Words = (), *, guard: Guard | None = None, **claims: Any
    ) -> Mapping[str, str]:
        """Some hundreds of tokens that must be refused, by name; each is `mint`'s but for one thing."""
        found = badtokens.of_model(self.model(role, scope, guard=guard, **claims))
        if not self._aim(guard, claims.get("iss")).hears:
            return found
        revoked = self.mint(role, scope, guard=guard, **claims | {"sid": secrets.token_hex(8)})
        stale = self.mint(role, scope, guard=guard, **claims | {"sub": f"changed-{secrets.token_hex(4)}", "epoch": 0})
        self.revoke(token=revoked)
        self.change_roles(str(_payload(stale)["sub"]))
        return {**found, "revoked": revoked, "claims_stale": stale}

    @property
    def cookies(self) -> frozenset[str]:
        """The cookies that guards here read a token from."""
        return frozenset(guard.options.cookie for guard in self._guards if guard.options.cookie is not None)

    # --- what happens to tokens that are out

    def revoke(
        self, *, sid: str | None = None, jti: str | None = None, kid: str | None = None, token: str | None = None
    ) -> None:
        """End a session, a token or a key, as logout and operators do; `token`: its session, or itself if it has none.

        A key that is revoked signs no more, and is gone from the set.
        """
        if token is not None:
            said = _payload(token)
            sid, jti = (said["sid"], jti) if "sid" in said else (sid, said.get("jti"))
        names = [(kind, name) for kind, name in (("sid", sid), ("jti", jti), ("kid", kid)) if name is not None]
        if not names:
            raise Misuse("revoke what: sid, jti, kid or token?")
        if kid is not None:
            self._keyring.drop(kid)
        for kind, name in names:
            self._tell(kind, name, None)

    def change_roles(self, sub: str = SUBJECT) -> None:
        """The user's permissions change: tokens that are out become `claims_stale`, later ones are good."""
        epoch = self._epochs[sub] = max(self._epochs.get(sub, 0) + 1, int(self.clock.now))
        self._tell("sub", sub, epoch)

    def rotate_keys(self) -> None:
        """Another key signs from now on. Those before it stay in the set; a shared secret is replaced."""
        self._keyring.rotate()

    # --- inside

    def _aim(self, guard: Guard | None, issuer: object) -> Aim:
        meant = self._guards if guard is None else [guard]
        if guard is None and self._takes_all:
            djangos = django_guard()
            if djangos is not None and len({each.options.issuer for each in meant}) > 1:
                meant = [djangos]  # settings that were overridden have left others
        return aim([each.options for each in meant] or foreseen(), issuer)

    def _news_of(self, issuer: str) -> Revoked:
        if issuer not in self._news:
            self._news[issuer] = Revoked()
            for kind, name, epoch in self._told:
                self._hear(issuer, kind, name, epoch)
        return self._news[issuer]

    def _tell(self, kind: str, name: str, epoch: int | None) -> None:
        self._told.append((kind, name, epoch))
        for issuer in self._news:
            self._hear(issuer, kind, name, epoch)

    def _hear(self, issuer: str, *what: Any) -> None:
        kind, name, epoch = what
        entry = feed.Entry(kind, feed.digest(issuer, kind, name), epoch, _FOR_EVER)
        self._news[issuer].take(feed.Page("test.1", more=False, reset=False, entries=(entry,)))


def standing() -> TestIssuer | None:
    """The issuer that was begun last and is not closed."""
    return _standing[-1] if _standing else None


def _payload(token: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(b64.decode(token.split(".")[1]))
    return said


def _collect_strays() -> None:
    """Guards of tests that are over may wait in cycles for the collector: nobody means them any more."""
    seen: list[Guard] = []
    watch_guards(seen.append)()
    if len({guard.options.issuer for guard in seen}) > 1:
        seen.clear()
        gc.collect()
