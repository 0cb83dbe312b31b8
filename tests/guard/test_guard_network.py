"""A guard and its issuer over the network: keys and news arrive, fail, grow old and come back."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from jotgate.errors import KeysUnavailable, NewsStale, Revoked, UnknownKey
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.gate import arriving
from jotgate.guard.guard import Guard
from jotgate.guard.request import Facts
from jotgate.jose import jwk, jwks, new_key
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, issuing, served, wait_for


def let_the_cooldown_pass(guard: Guard) -> None:
    """As if the last fetch had been begun 31 seconds ago."""
    assert guard._courier is not None
    cache = guard._courier._keys.cache
    assert cache._tried_at is not None
    cache._tried_at -= 31


def test_verify_waits_for_keys_and_news(issuer: StandIn, guards: Guards) -> None:
    issuer.revoke("sid", "gone")
    guard = guards(issuer.url)

    assert guard.verify(issuer.token()).sub == "ada"
    with pytest.raises(Revoked):
        guard.verify(issuer.token(sid="gone"))

    status = guard.status()
    assert (status.news, status.revocations, status.remembered, status.problems) == ("open", 1, 1, ())


def test_a_closed_session_is_refused_within_moments(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url)
    good = issuer.token()
    guard.verify(good)

    issuer.revoke("sid", "s1")

    wait_for(lambda: guard.status().revocations == 1)
    with pytest.raises(Revoked):
        guard.verify(good)


def test_fifty_first_requests_cause_one_fetch(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.2
    guard = guards(issuer.url)
    good = issuer.token()

    with ThreadPoolExecutor(50) as pool:
        assert {who.sub for who in pool.map(guard.verify, [good] * 50)} == {"ada"}

    assert issuer.keys_asked == 1


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def test_fifty_first_requests_of_a_served_application_cause_one_fetch(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.2
    guard = guards(issuer.url)
    bearer = {"Authorization": f"Bearer {issuer.token()}"}

    with served(GuardMiddleware(hello, guard)) as url, ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda _: httpx2.get(url, headers=bearer).status_code, range(50)))

    assert statuses == [200] * 50
    assert issuer.keys_asked == 1


@pytest.mark.anyio
async def test_fifty_first_tasks_cause_one_fetch(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 0.2
    guard = guards(issuer.url)
    facts = Facts("GET", "https", lambda name: [f"Bearer {token}"] if name == "authorization" else [])
    token = issuer.token()

    found = await asyncio.gather(*(arriving(guard, facts) for _ in range(50)))

    assert {who and who.sub for who in found} == {"ada"}
    assert issuer.keys_asked == 1


def test_a_flood_of_unknown_kids_causes_one_fetch_and_good_tokens_pass(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, revocation=None)
    good, forged = issuer.token(), [issuer.token(new_key("ES256", f"k{number}")) for number in range(9, 59)]
    guard.verify(good)
    let_the_cooldown_pass(guard)

    for number in range(10_000):
        with pytest.raises(UnknownKey):
            guard.verify(forged[number % len(forged)])
    assert guard.verify(good).sub == "ada"

    assert issuer.keys_asked == 2


def test_an_unknown_kid_brings_the_new_key(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, revocation=None)
    guard.verify(issuer.token())

    issuer.keys.append(new_key("ES256", "k2"))
    with pytest.raises(UnknownKey):
        guard.verify(issuer.token(issuer.keys[1]))
    let_the_cooldown_pass(guard)

    assert guard.verify(issuer.token(issuer.keys[1])).sub == "ada"


def test_without_an_issuer_keys_are_unavailable_and_back_when_it_is(guards: Guards) -> None:
    standin = StandIn()
    with issuing(standin):
        port = int(standin.url.rpartition(":")[2])
        good = standin.token()
    guard = guards(standin.url, revocation=None)
    with pytest.raises(KeysUnavailable):
        guard.verify(good)

    with issuing(standin, port):
        wait_for(lambda: guard.status().keys_age is not None)
        assert guard.verify(good).sub == "ada"


def test_an_issuer_that_never_answers_is_not_waited_for_for_ever(
    issuer: StandIn, guards: Guards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jotgate.guard.courier.KEYS_SECONDS", 0.05)
    issuer.keys_pause = 2.0
    guard = guards(issuer.url, revocation=None)

    with pytest.raises(KeysUnavailable, match="does not answer"):
        guard.verify(issuer.token())


def test_an_issuer_that_is_gone_is_not_missed(guards: Guards) -> None:
    with issuing(StandIn()) as standin:
        guard = guards(standin.url)
        good, fresh = standin.token(), standin.token(jti="j2")
        guard.verify(good)

    assert guard.verify(good).sub == guard.verify(fresh).sub == "ada"
    wait_for(lambda: guard.status().news == "failing")
    assert guard.status().problems


def test_an_issuer_without_a_feed_is_served_until_exp(issuer: StandIn, guards: Guards) -> None:
    issuer.feed_answer = (404, {}, b"")
    guard = guards(issuer.url)

    assert guard.verify(issuer.token()).sub == "ada"

    assert (guard.status().news, guard.status().news_age) == ("absent", None)


@pytest.mark.parametrize("status", [404, 500])
def test_a_guard_that_was_told_to_refuses_without_news(issuer: StandIn, guards: Guards, status: int) -> None:
    issuer.feed_answer = (status, {}, b"")
    guard = guards(issuer.url, on_stale="deny")

    with pytest.raises(NewsStale):
        guard.verify(issuer.token())


@pytest.mark.parametrize(("age", "good"), [(0, True), (29, True), (31, False)])
def test_old_news_are_refused_where_that_was_asked_for(
    issuer: StandIn, guards: Guards, age: int, *, good: bool
) -> None:
    guard = guards(issuer.url, on_stale="deny")
    text = issuer.token()
    guard.verify(text)
    heard_at = time.monotonic() - (guard.status().news_age or 0)

    guard.monotonic = lambda: heard_at + age

    if good:
        assert guard.verify(text).sub == "ada"
    else:
        with pytest.raises(NewsStale):
            guard.verify(text)


def test_fresh_news_serve_a_remembered_token_even_then(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, on_stale="deny")
    good = issuer.token()

    assert guard.verify(good) is guard.verify(good) is guard.check(good, now=time.time())
    issuer.revoke("sid", "s1")
    wait_for(lambda: guard.status().revocations == 1)

    with pytest.raises(Revoked):
        guard.verify(good)


def test_given_keys_and_a_feed_go_together(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url, jwks=jwks.of(jwk.public_half(issuer.keys[0])), revocation="push")
    good = issuer.token()
    assert guard.verify(good).sub == "ada"

    issuer.revoke("sid", "s1")

    wait_for(lambda: guard.status().revocations == 1)
    with pytest.raises(Revoked):
        guard.verify(good)
    with pytest.raises(UnknownKey):
        guard.verify(issuer.token(new_key("ES256", "k9")))
    assert issuer.keys_asked == 0


def test_a_guard_that_nobody_holds_any_more_stops_asking(issuer: StandIn) -> None:
    guard = Guard(issuer.url)
    guard.verify(issuer.token())
    names = [thread for thread in threading.enumerate() if thread.name == "jotgate-courier"]
    assert names

    del guard

    for thread in names:
        thread.join(10)
        assert not thread.is_alive()
