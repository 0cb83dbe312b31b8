"""Fetching keys from a real server: good answers replace the set, bad ones change nothing."""

import base64
import json
from concurrent.futures import wait
from time import monotonic
from urllib.parse import urlsplit

import pytest

from jotgate.guard import keyfetch
from jotgate.guard.keyfetch import KeyFetch
from jotgate.jose import ALGS, jwk, jwks, new_key
from tests.guard.standin import Answer, StandIn, issuing

ALGORITHMS = frozenset(name for name, row in ALGS.items() if row.kty != "oct")
PRIVATE = new_key("Ed25519", "k9")


def _private_jwk() -> dict[str, str]:
    seed = PRIVATE.private.private_bytes_raw()
    return jwk.export_public(PRIVATE) | {"d": base64.urlsafe_b64encode(seed).rstrip(b"=").decode()}


def _answer(value: object, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(value).encode()


PUBLIC = jwk.export_public(new_key("ES256", "k1"))
HOSTILE: dict[str, Answer] = {
    "nothing": (200, {}, b""),
    "garbage": (200, {}, b"\x00\xff\xfe garbage"),
    "html": (200, {"content-type": "text/html"}, b"<!doctype html><title>Sign in</title>"),
    "500": (500, {}, b"oops"),
    "204": (204, {}, b""),
    "404": (404, {}, b"not here"),
    "redirect to another host": (302, {"location": "https://keys.example.com/jwks.json"}, b""),
    "redirect with a body": (307, {"location": "/other"}, json.dumps({"keys": [PUBLIC]}).encode()),
    "10 MB": (200, {}, b'{"keys": [' + b" " * 10_000_000 + b"]}"),
    "no list": _answer({"keys": {}}),
    "no object": _answer([PUBLIC]),
    "no keys": _answer({"keys": []}),
    "private parts": _answer({"keys": [_private_jwk()]}),
    "a secret": _answer({"keys": [{"kty": "oct", "k": "A" * 43, "alg": "HS256"}]}),
    "secrets and public keys": _answer({"keys": [PUBLIC, {"kty": "oct", "k": "A" * 43, "alg": "HS256"}]}),
    "a secret without its bytes": _answer({"keys": [{"kty": "oct", "alg": "HS256"}]}),
    "the same kid twice": _answer({"keys": [PUBLIC, jwk.export_public(new_key("ES256", "k1"))]}),
    "the same key twice": _answer({"keys": [PUBLIC, PUBLIC | {"kid": "k2"}]}),
    "a point off the curve": _answer({"keys": [PUBLIC | {"x": PUBLIC["y"]}]}),
    "keys for encryption only": _answer({"keys": [PUBLIC | {"use": "enc"}]}),
    "a name twice": (200, {}, b'{"keys": [], "keys": []}'),
}


def fetching(standin: StandIn, algorithms: frozenset[str] = ALGORITHMS) -> tuple[KeyFetch, list[int]]:
    changes: list[int] = []
    return KeyFetch(urlsplit(standin.url), algorithms=algorithms, changed=lambda: changes.append(1)), changes


def test_the_first_fetch_brings_the_set(issuer: StandIn) -> None:
    fetch, changes = fetching(issuer)

    fetch.demand(since=monotonic()).result(10)

    assert fetch.cache.keys == jwks.of(*(jwk.public_half(key) for key in issuer.keys))
    assert issuer.asked == ["/.well-known/jwks.json"]
    assert len(changes) == 1


def test_the_key_set_of_an_issuer_with_a_path_lies_below_it() -> None:
    with issuing(StandIn("/tenants/a")) as standin:
        fetch, _ = fetching(standin)
        fetch.demand(since=monotonic()).result(10)

    assert fetch.cache.keys is not None
    assert standin.asked == ["/tenants/a/.well-known/jwks.json"]


def test_the_same_keys_again_are_no_change(issuer: StandIn) -> None:
    fetch, changes = fetching(issuer)
    fetch.demand(since=monotonic()).result(10)
    first = fetch.cache.keys

    fetch.demand(since=monotonic()).result(10)

    assert fetch.cache.keys is first
    assert len(changes) == 1
    assert issuer.keys_asked == 2


def test_other_keys_replace_the_set(issuer: StandIn) -> None:
    fetch, changes = fetching(issuer)
    fetch.demand(since=monotonic()).result(10)

    issuer.keys.append(new_key("ES256", "k2"))
    fetch.demand(since=monotonic()).result(10)

    assert fetch.cache.keys is not None
    assert set(fetch.cache.keys.by_kid) == {"k1", "k2"}
    assert len(changes) == 2


def test_keys_of_other_algorithms_are_left_out(issuer: StandIn) -> None:
    issuer.keys.append(new_key("Ed25519", "k2"))
    fetch, _ = fetching(issuer, frozenset({"ES256"}))

    fetch.demand(since=monotonic()).result(10)

    assert fetch.cache.keys is not None
    assert set(fetch.cache.keys.by_kid) == {"k1"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_answer_changes_nothing_and_is_reported(issuer: StandIn, name: str) -> None:
    fetch, changes = fetching(issuer)
    fetch.demand(since=monotonic()).result(10)
    good = fetch.cache.keys

    issuer.keys_answer = HOSTILE[name]
    fetch.demand(since=monotonic()).result(30)

    assert fetch.cache.keys is good
    assert fetch.cache.problem
    assert len(changes) == 1
    assert all(path == "/.well-known/jwks.json" for path in issuer.asked)


def test_fifty_who_wait_share_one_fetch(issuer: StandIn) -> None:
    issuer.keys_pause = 0.3
    fetch, _ = fetching(issuer)

    flights = {fetch.demand(since=monotonic()) for _ in range(50)}
    wait(flights, 10)

    assert len(flights) == 1
    assert issuer.keys_asked == 1


def test_who_asked_before_the_last_fetch_was_over_needs_no_other(issuer: StandIn) -> None:
    fetch, _ = fetching(issuer)
    asked_at = monotonic()
    fetch.demand(since=asked_at).result(10)

    late = fetch.demand(since=asked_at)

    assert late.done()
    assert issuer.keys_asked == 1


def test_nobody_who_waits_can_cancel_it(issuer: StandIn) -> None:
    fetch, _ = fetching(issuer)

    flight = fetch.demand(since=monotonic())

    assert not flight.cancel()
    flight.result(10)


def test_an_issuer_that_is_away_is_a_failure_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with issuing(StandIn()) as standin:
        pass
    fetch, _ = fetching(standin)

    for _ in range(3):
        fetch.demand(since=monotonic()).result(10)

    assert fetch.cache.keys is None
    assert fetch.cache.failures == 3
    assert len([record for record in caplog.records if "cannot be fetched" in record.message]) == 1


def test_renewing_fetches_when_the_set_is_old_and_forgets_it_after_a_day(issuer: StandIn) -> None:
    fetch, changes = fetching(issuer)

    assert fetch.renew(now=monotonic()) == 1.0
    assert fetch.renew(now=monotonic()) in (1.0, pytest.approx(300, abs=20))
    fetch.demand(since=monotonic()).result(10)
    before = issuer.keys_asked
    assert fetch.renew(now=monotonic()) == pytest.approx(300, abs=20)
    assert issuer.keys_asked == before

    issuer.keys_answer = HOSTILE["500"]
    assert fetch.renew(now=monotonic() + 86_400) == 1.0
    assert fetch.cache.keys is None
    assert len(changes) == 2


def test_what_nobody_foresaw_ends_the_wait_too(issuer: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    fetch, _ = fetching(issuer)
    fetch._algorithms = None  # type: ignore[assignment]  # cannot happen; if it did, nobody may be left waiting

    fetch.demand(since=monotonic()).result(10)

    assert fetch.cache.problem == "TypeError"


def test_without_a_thread_the_fetch_fails(issuer: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread:
        def __init__(self, **_: object) -> None:
            pass

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    fetch, _ = fetching(issuer)
    monkeypatch.setattr(keyfetch, "Thread", NoThread)

    fetch.demand(since=monotonic()).result(1)

    assert "can't start new thread" in fetch.cache.problem
