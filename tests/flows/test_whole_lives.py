"""Whole lives of sessions, as hypothesis makes them up: the flows on a real file against the model in `family.py`.

After every step a guard that has read the feed page by page must refuse exactly the access tokens that the model calls
dead.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from jotgate.core.model import TokenPair
from jotgate.errors import GrantError, LoginError, Replayed
from jotgate.flows import feed, keys, logout, roles, sweep, users
from jotgate.wire.feed import Entry, digest, parse_cursor
from tests.flows.family import ABSOLUTE, GRACE, IDLE, RECOVERY, Access, Family, Person
from tests.flows.world import HOME, ISSUER, START, Clock, World, open_world

EXAMPLES, STEPS = 40, 60
T = TypeVar("T")
PASSWORDS = ("four geese over the mill", "seven swans on a pond", "nine owls in an old barn")
FREQUENT = (*["log in"] * 4, *["refresh"] * 8, "end", "roles", *["time"] * 2, *["house"] * 2)
WAYS = (*["newest"] * 4, *["parent"] * 4, *["old"] * 2, "last")
SPANS = (0, 1, 2, 29, 899, 900, 1080, 86400, -2)  # and back: clocks are set
BORDERS = (0, GRACE, GRACE + 1, RECOVERY, RECOVERY + 1)


class Reader:
    """A guard's memory of the feed."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.entries: dict[bytes, Entry] = {}

    async def read(self, world: World) -> None:
        page = await feed.page(world.env, self.cursor)
        assert self.cursor is None or not page.reset
        assert self.cursor is None or parse_cursor(page.next).seq >= parse_cursor(self.cursor).seq
        self.cursor = page.next
        self.entries |= {entry.digest: entry for entry in page.entries}

    def refuses(self, token: Access) -> bool:
        stale = self.entries.get(digest(ISSUER, "sub", token.claims.sub))
        return digest(ISSUER, "sid", token.claims.sid or "") in self.entries or (
            stale is not None and (token.claims.epoch or 0) < (stale.epoch or 0)
        )


class Lives(RuleBasedStateMachine):
    """The issuer and the model, side by side."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock(START)
        self.dice = random.Random(1)  # the same ids each time, or hypothesis could not repeat what it found
        self.reader = Reader()
        self.people: list[tuple[str, Person]] = []
        self.families: dict[str, Family] = {}
        self.tokens: dict[tuple[str, int], TokenPair] = {}
        self.accesses: list[Access] = []
        self.open()

    # --- what surrounds the steps

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def open(self) -> None:
        self.stack = AsyncExitStack()
        opening = open_world(Path(self.folder.name) / "jotgate.db", clock=self.clock, entropy=self.dice.randbytes)
        self.world = self.run(self.stack.enter_async_context(opening))
        self.env = self.world.env

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    @property
    def now(self) -> int:
        return int(self.clock.now)

    def wait_until(self, instant: int) -> None:
        self.clock.now = instant
        self.accesses = [token for token in self.accesses if token.claims.exp > self.now]

    def keep(self, session_id: str, pair: TokenPair) -> None:
        """Remember both tokens; the refresh token of a generation is always the same text."""
        family = self.families[session_id]
        known = self.tokens.setdefault((session_id, family.generation), pair)
        claims = self.world.claims(pair)
        assert known.refresh_token == pair.refresh_token
        assert (claims.sid, claims.roles) == (session_id, family.owner.roles)
        assert claims.exp == min(self.now + 900, family.opened_at + ABSOLUTE)
        self.accesses.append(Access(family, family.owner.changes, claims))

    def close_sessions(self, person: Person, *, but: str | None = None) -> None:
        for session_id, family in self.families.items():
            if family.owner is person and session_id != but:
                family.closed = True

    @initialize()
    def three_managers(self) -> None:
        for name in ("ada", "bob", "eve"):
            person = Person(f"{name}@example.com", PASSWORDS[0], ("manager",))
            user = self.run(self.world.add(person.email, password=person.password, roles=person.roles))
            self.people.append((user.id, person))
            self.log_in(len(self.people) - 1, None)

    # --- steps

    @rule(data=st.data(), what=st.sampled_from(FREQUENT))
    def something_happens(self, data: st.DataObject, what: str) -> None:
        """One rule for all: hypothesis leaves half of the rules out of each example, and lives need all of them."""
        who = data.draw(st.integers(0, 2))
        match what:
            case "log in":
                self.log_in(who, data.draw(st.sampled_from((None, None, *PASSWORDS))))
            case "refresh":
                self.refresh(data)
            case "end":
                self.sessions_end(data, who)
            case "roles":
                self.roles_change(data, who)
            case "time":
                self.wait_until(self.now + data.draw(st.sampled_from(SPANS)))
            case _:
                self.the_house_is_kept(data)

    def log_in(self, who: int, wrong: str | None) -> None:
        _, person = self.people[who]
        password = wrong or person.password
        try:
            pair = self.run(self.world.login(person.email, password=password))
        except LoginError:
            assert person.disabled or password != person.password
            self.wait_until(self.now + 900)  # so that the throttle, which has tests of its own, stays out of this
            return
        assert not person.disabled
        assert password == person.password
        session_id = self.world.claims(pair).sid or ""
        assert session_id not in self.families
        self.families[session_id] = Family(person, self.now, self.now)
        self.keep(session_id, pair)

    def refresh(self, data: st.DataObject) -> None:
        """With one session, now and then one that is over; now and then several times at once."""
        alive = [name for name, family in self.families.items() if not family.is_over(self.now)]
        over = data.draw(st.integers(0, 5)) == 0
        session_id = data.draw(st.sampled_from(list(self.families) if over or not alive else alive))
        generation = self.pick(session_id, data)
        self.present(session_id, generation, count=data.draw(st.sampled_from((1, 1, 3))))

    def pick(self, session_id: str, data: st.DataObject) -> int:
        """The newest token, its parent at a border of the table, any other, or the newest at the session's end."""
        family, way = self.families[session_id], data.draw(st.sampled_from(WAYS))
        given = [generation for name, generation in self.tokens if name == session_id]
        if way == "parent" and family.parent in given:
            self.wait_until(max(self.now, family.rotated_at + data.draw(st.sampled_from(BORDERS))))
            return family.parent
        if way == "old":
            return data.draw(st.sampled_from(given))
        if way == "last":
            idle = data.draw(st.booleans())
            end = family.rotated_at + IDLE if idle else self.grow_old(session_id)
            self.wait_until(max(self.now, end - data.draw(st.integers(0, 1))))
            return max(generation for name, generation in self.tokens if name == session_id)
        return max(given)

    def grow_old(self, session_id: str) -> int:
        """Refresh now and then, so that its absolute end is the next one; when that is."""
        family = self.families[session_id]
        end = family.opened_at + ABSOLUTE
        while not family.is_over(self.now) and family.rotated_at + IDLE <= end:
            self.wait_until(max(self.now, family.rotated_at + IDLE - 1))
            self.present(session_id, max(number for name, number in self.tokens if name == session_id), count=1)
        return end

    def present(self, session_id: str, generation: int, *, count: int) -> None:
        family, pair = self.families[session_id], self.tokens[session_id, generation]

        async def at_once() -> list[TokenPair | BaseException]:
            return await asyncio.gather(*(self.world.refresh(pair) for _ in range(count)), return_exceptions=True)

        for result in self.run(at_once()):
            expected = family.present(generation, now=self.now)
            self.seen[expected] += 1
            if isinstance(result, TokenPair):
                assert expected in {"moved", "repeated"}
                self.keep(session_id, result)
            else:
                assert isinstance(result, GrantError)
                assert expected == ("replayed" if isinstance(result, Replayed) else "refused")

    def sessions_end(self, data: st.DataObject, who: int) -> None:
        user_id, person = self.people[who]
        way = data.draw(st.sampled_from(("token", "claims", "all", "disable", "password", "reset")))
        if way == "token":
            session_id, generation = data.draw(st.sampled_from(list(self.tokens)))
            self.run(logout.logout(self.env, refresh_token=self.tokens[session_id, generation].refresh_token))
            self.families[session_id].closed = True
        elif way == "claims" and self.accesses:
            token = data.draw(st.sampled_from(self.accesses))
            self.run(logout.logout(self.env, claims=token.claims))
            token.family.closed = True
        elif way == "disable":
            self.run(users.disable(self.env, user_id))
            person.disabled = True
            person.changes += 1
            self.close_sessions(person)
        elif way in {"password", "reset"}:
            self.change_password(who, data, own=way == "password")
        else:
            self.run(logout.logout_all(self.env, user_id))
            self.close_sessions(person)

    def change_password(self, who: int, data: st.DataObject, *, own: bool) -> None:
        user_id, person = self.people[who]
        new = data.draw(st.sampled_from(PASSWORDS))
        keep = None
        if own:
            keep = data.draw(st.sampled_from([None, *(n for n, f in self.families.items() if f.owner is person)]))
            change = users.set_password(
                self.env, user_id, current=person.password, new=new, keep_session=keep, origin=HOME
            )
        else:
            change = users.reset_password(self.env, user_id, new)
        self.run(change)
        person.password = new
        self.close_sessions(person, but=keep)

    def roles_change(self, data: st.DataObject, who: int) -> None:
        """What a user is, or what a manager may."""
        user_id, person = self.people[who]
        number = data.draw(st.integers(-4, 3))
        if number < 0:
            names = data.draw(st.sampled_from(((), ("manager",), ("manager", "member"), ("member",))))
            self.run(users.set_roles(self.env, user_id, names))
            person.changes += person.roles != names
            person.roles = names
            return
        before = {role.name: role for role in self.run(roles.list_all(self.env))}.get("manager")
        after = self.run(roles.set_role(self.env, "manager", [f"payments:{number}"]))
        for _, anybody in self.people:
            anybody.changes += before != after and "manager" in anybody.roles

    def the_house_is_kept(self, data: st.DataObject) -> None:
        what = data.draw(st.sampled_from(("restart", "power cut", "sweep", "tick", "rotate", "enable")))
        if what == "restart":
            self.run(self.stack.aclose())
            self.open()
        elif what == "power cut":
            self.forget_rotations()
        elif what == "enable":
            for user_id, person in self.people:
                self.run(users.enable(self.env, user_id))
                person.disabled = False
        elif what == "rotate":
            self.run(keys.rotate(self.env, at_once=True))
        else:
            self.run(sweep.sweep(self.env, holder="here") if what == "sweep" else keys.tick(self.env))

    def forget_rotations(self) -> None:
        """A power cut takes the last rotation of every session back."""
        for session_id, family in self.families.items():
            if family.earlier and not family.closed:
                family.forget()
                sql = "update sessions set generation = ?, parent = ?, rotated_at = ? where id = ?"
                row = (family.generation, family.parent, family.rotated_at, session_id)
                self.run(self.env.store.swap().run(sql, *row))

    # --- what always holds

    @invariant()
    def a_guard_refuses_exactly_the_dead_tokens(self) -> None:
        self.seen["steps"] += 1  # once after each
        self.run(self.reader.read(self.world))
        for token in self.accesses:
            assert self.reader.refuses(token) is token.is_dead()

    @invariant()
    def what_is_open_is_open(self) -> None:
        rows = self.run(self.env.store.read().all("select id from sessions where closed_at is null"))
        is_open = {row[0] for row in rows}

        for session_id, family in self.families.items():
            assert session_id in is_open or family.is_over(self.now)


def test_2000_steps_of_whole_lives_agree_with_the_model() -> None:
    Lives.seen.clear()

    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert Lives.seen["steps"] >= 2000
    assert min(Lives.seen[what] for what in ("moved", "repeated", "replayed", "refused")) >= 20
