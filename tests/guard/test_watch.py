"""Connections that last are looked at again: what ends them, what does not, and what it costs nobody."""

import asyncio
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from jotgate.errors import JotgateError
from jotgate.guard import watch
from jotgate.guard.guard import Guard
from jotgate.guard.known import Given, NeedKeys
from jotgate.guard.revoked import Revoked
from jotgate.guard.watch import Stay
from jotgate.jose import new_key
from tests.guard.conftest import Guards
from tests.guard.peer import KEY, NOW, World, public
from tests.guard.standin import StandIn

pytestmark = pytest.mark.anyio
TICKS = 0.1  # many of them


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.005)
    yield
    left = dict(watch._watches)
    watch._watches.clear()
    assert not left, "a watch was left behind"


def stay(guard: Guard, token: str, **more: Any) -> tuple[Stay, list[JotgateError]]:
    ended: list[JotgateError] = []
    return Stay(guard, token, ended=ended.append, **more), ended


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # of what is watched nothing tells
            await asyncio.sleep(0.002)


def new_keys(world: World) -> None:
    world.keys = public(KEY, new_key("ES256", "k2"))


def other_keys(world: World) -> None:
    world.keys = public(new_key("ES256", "k2"))


def at(seconds: float) -> Callable[[World], None]:
    return lambda world: setattr(world, "now", NOW + seconds)


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (lambda _: None, None),
        (at(909.9), None),
        (at(910), "token_expired"),
        (at(-1_000_000), None),
        (lambda world: world.revoke("sid", "another"), None),
        (new_keys, None),
        (lambda world: world.revoke("sub", "ada", epoch=5), None),
        (lambda world: world.revoke("sub", "ada", epoch=6), "claims_stale"),
        (lambda world: world.revoke("sid", "s1"), "token_revoked"),
        (lambda world: world.revoke("jti", "j1"), "token_revoked"),
        (lambda world: world.revoke("kid", "k1"), "token_revoked"),
        (other_keys, "signature_invalid"),
    ],
)
async def test_a_connection_lasts_as_long_as_its_token_is_good(
    happens: Callable[[World], None], code: str | None
) -> None:
    world = World()
    one, ended = stay(world.guard(), world.token())
    await asyncio.sleep(TICKS)
    assert not ended

    happens(world)
    await (until(lambda: ended) if code else asyncio.sleep(TICKS))

    assert [error.code for error in ended] == ([code] if code else [])
    assert one.over is (ended[0] if code else None)
    one.leave()


async def test_what_came_before_the_first_look_counts() -> None:
    world = World()
    guard, token = world.guard(), world.token()
    guard.verify(token)
    world.revoke("sid", "s1")

    _, ended = stay(guard, token)
    await until(lambda: ended)

    assert [error.code for error in ended] == ["token_revoked"]


async def test_who_joins_others_within_a_second_is_looked_at_as_well() -> None:
    world = World()
    guard = world.guard()
    first, _ = stay(guard, world.token())
    await asyncio.sleep(TICKS)

    _, ended = stay(guard, world.token(exp=NOW - 100, iat=NOW - 200))
    await until(lambda: ended)

    assert [error.code for error in ended] == ["token_expired"]
    first.leave()


async def test_a_renewed_one_lasts_by_the_new_token_alone() -> None:
    world = World()
    guard = world.guard()
    one, ended = stay(guard, world.token())
    await asyncio.sleep(TICKS)

    one.renew(world.token(sid="s2", exp=NOW + 2000))
    world.revoke("sid", "s1")
    world.now = NOW + 1000
    await asyncio.sleep(TICKS)
    assert not ended

    world.revoke("sid", "s2")
    await until(lambda: ended)

    assert [error.code for error in ended] == ["token_revoked"]


async def test_many_are_looked_at_in_slices_and_whoever_left_meanwhile_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SLICE_SECONDS", 0.0)
    world = World()
    guard, token = world.guard(), world.token()
    stays: list[Stay] = []
    ended: list[JotgateError] = []

    def end(error: JotgateError) -> None:
        ended.append(error)
        for one in stays[:50]:
            one.leave()

    stays += [Stay(guard, token, ended=end) for _ in range(100)]
    await asyncio.sleep(TICKS)
    world.revoke("sid", "s1")
    await until(lambda: all(one.over for one in stays[50:]))

    assert 50 <= len(ended) <= 51


async def test_the_others_are_looked_at_whatever_goes_wrong_with_one(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Given):
        asked = 0

        def look(self, *, now: float) -> Any:
            self.asked += 1
            raise RuntimeError("a fault")

    world = World()
    guard = world.guard()
    known = Broken(public(KEY))

    with guard.relying_on(known):
        made = [stay(guard, world.token(jti=name)) for name in ("a", "b")]
        await until(lambda: all(ended for _, ended in made))

    assert [[error.code for error in ended] for _, ended in made] == [["unavailable"], ["unavailable"]]
    assert known.asked == 2
    assert "a fault" in caplog.text


async def test_while_keys_are_missing_it_goes_on_and_is_looked_at_again() -> None:
    class Late(Given):
        there = False

        def look(self, *, now: float) -> Any:
            return super().look(now=now) if self.there else NeedKeys(keys=True)

    world = World()
    guard = world.guard()
    known = Late(public(KEY))

    with guard.relying_on(known, clock=lambda: world.now):
        one, ended = stay(guard, world.token())
        await asyncio.sleep(TICKS)
        assert not ended

        known.there = True
        known.revoked = Revoked()
        world.now = NOW + 910
        await until(lambda: ended)

    assert [error.code for error in ended] == ["token_expired"]
    assert one.over is ended[0]


# --- an issuer on the network


@pytest.mark.parametrize(("on_stale", "codes"), [("serve", []), ("deny", ["news_stale"])])
async def test_news_that_stay_away_end_what_they_would_refuse(
    issuer: StandIn, guards: Guards, on_stale: str, codes: list[str]
) -> None:
    guard = guards(issuer.url, on_stale=on_stale)
    token = issuer.token()
    await asyncio.to_thread(guard.verify, token)
    one, ended = stay(guard, token)
    await asyncio.sleep(TICKS)
    assert not ended

    guard.monotonic = lambda: monotonic() + 100
    await (until(lambda: ended) if codes else asyncio.sleep(TICKS))

    assert [error.code for error in ended] == codes
    one.leave()


async def test_missing_keys_are_asked_for(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, revocation=None)
    one, ended = stay(guard, issuer.token())

    await until(lambda: issuer.keys_asked)

    assert not ended
    one.leave()


# --- timers


async def test_a_watch_ends_with_its_last_connection_and_begins_again() -> None:
    world = World()
    guard = world.guard()

    for _ in range(2):
        one, _ = stay(guard, world.token())
        two, _ = stay(guard, world.token())
        assert len(watch._watches) == 1

        one.leave()
        assert len(watch._watches) == 1
        two.leave()
        two.leave()
        assert not watch._watches


async def test_each_loop_watches_its_own() -> None:
    world = World()
    guard = world.guard()

    async def last() -> str:
        _, ended = stay(guard, world.token())
        await until(lambda: ended)
        return ended[0].code

    threads = [asyncio.create_task(asyncio.to_thread(asyncio.run, last())) for _ in range(3)]
    await until(lambda: len(watch._watches) == 3)
    world.revoke("sid", "s1")

    assert await asyncio.gather(*threads) == ["token_revoked"] * 3
