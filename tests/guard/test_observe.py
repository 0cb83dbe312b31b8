"""Whoever counts is told what happens, and can break nothing."""

import gc
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from jotgate.errors import Expired, KeysUnavailable, Malformed, SettingsError, SignatureInvalid
from jotgate.guard.asgi import GuardMiddleware
from jotgate.guard.guard import Guard
from jotgate.guard.observe import Event
from jotgate.jose import jwk, jwks, new_key
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, issuing, wait_for

KEY = new_key("ES256", "k1")


class Counted(list[Event]):
    """What was told, of the kinds that are asked for."""

    def codes(self, *kinds: str) -> list[tuple[str, str]]:
        return [(event.kind, event.code) for event in tuple(self) if event.kind in kinds]


def offline(counted: Counted, issuer: StandIn) -> Guard:
    issuer.keys = [KEY]
    return Guard(issuer.url, jwks=jwks.of(jwk.public_half(KEY)), observe=counted.append)


def test_every_token_is_told_once_good_or_bad(issuer: StandIn) -> None:
    counted = Counted()
    guard = offline(counted, issuer)
    good, now = issuer.token(), time.time()

    guard.verify(good)
    guard.verify(good)
    guard.check(good, now=now)
    guard.admit(f"Bearer {good}", now=now)
    with pytest.raises(Expired):
        guard.verify(issuer.token(iat=1, exp=2))
    with pytest.raises(Malformed):
        guard.check("nonsense", now=now)
    with pytest.raises(SignatureInvalid):
        guard.verify(issuer.token(new_key("ES256", "k2")))

    assert counted.codes("verified", "refused") == [
        *[("verified", "")] * 4,
        ("refused", "token_expired"),
        ("refused", "token_malformed"),
        ("refused", "signature_invalid"),
    ]
    assert all(0 < event.seconds < 20 for event in counted)


def test_an_event_holds_three_things_and_none_of_them_is_a_token(issuer: StandIn) -> None:
    counted = Counted()
    guard = offline(counted, issuer)
    token = issuer.token()

    guard.verify(token)

    (event,) = counted
    assert event.__struct_fields__ == ("kind", "code", "seconds")
    assert not any(part in repr(event) for part in token.split("."))
    with pytest.raises(AttributeError):
        event.code = "another"  # type: ignore[misc]  # it is frozen


def test_a_refused_request_is_told_once_however_many_hands_it_goes_through(issuer: StandIn) -> None:
    counted = Counted()
    guard = offline(counted, issuer)
    app = GuardMiddleware(Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"))]), guard)
    client = TestClient(app)

    statuses = [
        client.get("/", headers=headers).status_code
        for headers in (
            {},
            {"Authorization": "Bearer nonsense"},
            {"Authorization": f"Bearer {issuer.token(iat=1, exp=2)}"},
            {"Authorization": f"Bearer {issuer.token()}"},
        )
    ]

    assert statuses == [401, 401, 401, 200]
    assert counted.codes("verified", "refused") == [
        ("refused", "token_missing"),
        ("refused", "token_malformed"),
        ("refused", "token_expired"),
        ("verified", ""),
    ]


def test_questions_to_the_issuer_are_told(issuer: StandIn, guards: Guards) -> None:
    counted = Counted()
    guard = guards(issuer.url, observe=counted.append)

    guard.verify(issuer.token())
    issuer.feed_answer = (500, {}, b"")

    wait_for(lambda: ("news", "news_unavailable") in counted.codes("news"))
    assert counted.codes("keys") == [("keys", "")]
    assert counted.codes("news")[0] == ("news", "")
    assert counted.codes("verified", "refused") == [("verified", "")]


def test_an_issuer_that_is_away_and_one_without_a_feed_are_told(issuer: StandIn, guards: Guards) -> None:
    with issuing(StandIn()) as away:
        token = away.token()
    counted, without = Counted(), Counted()
    issuer.feed_answer = (404, {}, b"")

    with pytest.raises(KeysUnavailable):
        guards(away.url, revocation=None, observe=counted.append).verify(token)
    guards(issuer.url, observe=without.append).verify(issuer.token())

    assert counted.codes("keys", "refused")[:1] == [("keys", "keys_unavailable")]
    assert counted.codes("refused") == [("refused", "keys_unavailable")]
    assert without.codes("news") == [("news", "news_absent")]


def test_an_issuer_that_never_answers_is_a_refusal_too(
    issuer: StandIn, guards: Guards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jotgate.guard.courier.KEYS_SECONDS", 0.05)
    issuer.keys_pause = 2.0
    counted = Counted()
    guard = guards(issuer.url, revocation=None, observe=counted.append)

    with pytest.raises(KeysUnavailable):
        guard.verify(issuer.token())

    assert counted.codes("refused") == [("refused", "keys_unavailable")]


def test_a_hook_that_raises_breaks_nothing_and_is_logged_once(
    issuer: StandIn, guards: Guards, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Event] = []

    def broken(event: Event) -> None:
        calls.append(event)
        raise ZeroDivisionError

    guard = guards(issuer.url, observe=broken)

    for _ in range(3):
        assert guard.verify(issuer.token()).sub == "ada"
    with pytest.raises(Malformed):
        guard.verify("nonsense")

    assert {event.kind for event in calls} >= {"keys", "news", "verified", "refused"}
    assert [record.message.partition(":")[0] for record in caplog.records] == ["observe"]


def test_guards_of_one_issuer_share_a_thread_and_each_hook_is_told_once(issuer: StandIn, guards: Guards) -> None:
    first, second = Counted(), Counted()
    hook = first.append
    made = [guards(issuer.url, observe=told) for told in (hook, hook, second.append, None)]
    gone = made[2]

    made[0].verify(issuer.token())
    gone.close()
    issuer.revoke("sid", "s1")
    wait_for(lambda: len(first.codes("news")) > 1)

    assert first.codes("keys") == second.codes("keys") == [("keys", "")]
    assert len(second.codes("news")) <= 1
    assert len({id(guard._courier) for guard in made}) == 1


def test_without_a_hook_there_is_nothing_in_the_way(issuer: StandIn, guards: Guards) -> None:
    guard = guards(issuer.url)

    assert not {"check", "verify", "answer"} & vars(guard).keys()


def test_an_observed_guard_that_nobody_holds_any_more_stops_asking(issuer: StandIn) -> None:
    counted = Counted()
    guard = Guard(issuer.url, observe=counted.append)
    guard.verify(issuer.token())
    assert guard._courier is not None
    thread, last = guard._courier._thread, weakref.ref(guard)

    del guard
    gc.collect()

    assert last() is None
    assert isinstance(thread, threading.Thread)
    thread.join(10)
    assert not thread.is_alive()


def test_what_cannot_be_called_is_complained_about(issuer: StandIn) -> None:
    with pytest.raises(SettingsError, match="observe = 'print': allowed is a callable, or None"):
        Guard(issuer.url, observe="print")  # type: ignore[arg-type]  # what somebody without a type checker writes


def test_the_example_of_the_documentation_counts(issuer: StandIn) -> None:
    page = (Path(__file__).parents[2] / "docs" / "guard.md").read_text("utf-8")
    example = page.split("## Metrics")[1].split("```python")[1].split("```")[0]
    module: dict[str, Any] = {}

    exec(compile(example.replace("http://127.0.0.1:8000", issuer.url), "docs/guard.md", "exec"), module)
    module["guard"].verify(issuer.token())
    module["guard"].close()

    assert module["events"].labels("verified", "")._value.get() == 1
    assert module["events"].labels("keys", "")._value.get() == 1
