"""The verdict on a token: seen for the first time, remembered, expired, revoked, and while keys or news are missing."""

import inspect
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from jotgate.errors import (
    AudienceMismatch,
    ClaimsStale,
    Expired,
    IssuerMismatch,
    LifetimeExcessive,
    Malformed,
    NotYetValid,
    Revoked,
    SignatureInvalid,
    TokenError,
    TokenMissing,
    TypeMismatch,
    UnknownKey,
)
from jotgate.guard import revoked
from jotgate.guard.guard import Guard
from jotgate.guard.known import NeedKeys, Status
from jotgate.guard.principal import Principal
from jotgate.jose import Claims, Key, b64, jwk, jwks, jwt, new_key
from jotgate.wire import feed
from tests.guard.conftest import Guards
from tests.guard.standin import StandIn, claims

ISSUER = "https://auth.example.com"
KEY = new_key("ES256", "k1")
NOW = 1_800_000_000
SECRET = jwk.to_private_bytes(new_key("HS256"))


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(clock: Clock) -> Guard:
    made = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)).export())
    made.clock = clock
    return made


def token(key: Key = KEY, *, typ: str = "at+jwt", **changed: Any) -> str:
    return jwt.encode(claims(ISSUER, **({"iat": NOW, "exp": NOW + 900} | changed)), key, typ=typ)


# --- the first time


def test_a_good_token_says_who_is_asking(guard: Guard) -> None:
    who = guard.verify(token(extra={"email": "ada@example.com", "groups": ["a", {"b": 1}]}))

    assert (who.sub, who.sid, who.roles, who.scopes) == ("ada", "s1", ("manager",), frozenset({"members:read"}))
    assert who.claims == {
        "iss": ISSUER,
        "sub": "ada",
        "aud": (ISSUER,),
        "iat": NOW,
        "exp": NOW + 900,
        "jti": "j1",
        "sid": "s1",
        "scope": "members:read",
        "roles": ("manager",),
        "client_id": "jotgate",
        "epoch": 5,
        "email": "ada@example.com",
        "groups": ("a", {"b": 1}),
    }


def test_what_a_token_leaves_out_is_not_there(guard: Guard) -> None:
    bare = Claims(iss=ISSUER, sub="ada", aud=(ISSUER,), iat=NOW, exp=NOW + 900)

    who = guard.verify(jwt.encode(bare, KEY))

    assert (who.sid, who.roles, who.scopes) == (None, (), frozenset())
    assert set(who.claims) == {"iss", "sub", "aud", "iat", "exp"}


def test_text_bytes_and_subclasses_of_text_are_the_same_token(guard: Guard) -> None:
    class Text(str):
        __slots__ = ()

    good = token()

    assert guard.verify(good) is guard.verify(good.encode()) is guard.verify(Text(good))


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("", Malformed),
        ("abc", Malformed),
        ("a.b.c", Malformed),
        ("\u00e4" * 10, Malformed),
        ("\ud800.a.b", Malformed),
        ("a\x00.b.c", Malformed),
        (b"\xff\xfe", Malformed),
        (None, Malformed),
        (5, Malformed),
        ([], Malformed),
        ("a" * 8193, Malformed),
        ("a" * 5_000_000, Malformed),
        (token()[:-8] + "AAAAAAAA", SignatureInvalid),
        (token(new_key("ES256", "k1")), SignatureInvalid),
        (token(new_key("Ed25519", "k1")), SignatureInvalid),
        (token(new_key("ES256", "k2")), UnknownKey),
        (token(typ="jwt"), TypeMismatch),
        (token(iss="https://other.example.com"), IssuerMismatch),
        (token(aud=("gym",)), AudienceMismatch),
        (token(exp=NOW - 10), Expired),
        (token(iat=NOW + 11), NotYetValid),
        (token(nbf=NOW + 11), NotYetValid),
        (token(exp=NOW + 86_401), LifetimeExcessive),
    ],
)
def test_a_bad_token_is_refused_every_time(guard: Guard, bad: Any, error: type[TokenError]) -> None:
    for _ in range(2):
        with pytest.raises(error):
            guard.verify(bad)
    assert guard.status().remembered == 0


@pytest.mark.parametrize("name", ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA", "Ed25519"])
def test_every_algorithm_with_public_keys_is_accepted_by_default(name: str, clock: Clock) -> None:
    key = new_key(name)
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(key)).export())
    guard.clock = clock

    assert guard.verify(token(key)).sub == "ada"


@pytest.mark.parametrize("kid", [None, "whatever-the-issuer-calls-it"])
def test_a_shared_secret_needs_no_name(clock: Clock, kid: str | None) -> None:
    guard = Guard(ISSUER, hs256_secret=SECRET)
    guard.clock = clock

    assert guard.verify(token(jwk.from_private_bytes("HS256", kid, SECRET))).sub == "ada"
    with pytest.raises(SignatureInvalid):
        guard.verify(token(KEY))


def test_the_audience_is_ours(clock: Clock) -> None:
    guard = Guard(ISSUER, audience="gym", jwks=jwks.of(jwk.public_half(KEY)))
    guard.clock = clock

    assert guard.verify(token(aud=("gym", "shop"))).claims["aud"] == ("gym", "shop")
    with pytest.raises(AudienceMismatch):
        guard.verify(token())


# --- remembered


def test_a_token_is_verified_once(guard: Guard) -> None:
    good = token()

    assert guard.verify(good) is guard.verify(good) is guard.check(good, now=NOW)
    assert guard.status().remembered == 1


@pytest.mark.parametrize(
    ("later", "good"), [(0, True), (900, True), (909, True), (909.9, True), (910, False), (911, False)]
)
def test_a_remembered_token_expires_like_any_other(guard: Guard, clock: Clock, later: float, *, good: bool) -> None:
    known, fresh = token(), token(jti="j2")
    guard.verify(known)

    clock.now = NOW + later

    for text in (known, fresh):
        if good:
            assert guard.verify(text).sub == "ada"
        else:
            with pytest.raises(Expired):
                guard.verify(text)


def test_a_token_that_differs_in_one_character_is_another_token(guard: Guard) -> None:
    good = token()
    guard.verify(good)

    for place in range(len(good)):
        other = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        with pytest.raises(TokenError):
            guard.verify(other)


def test_the_memory_is_bounded(clock: Clock) -> None:
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), cache=10)
    guard.clock = clock

    for number in range(50):
        guard.verify(token(jti=str(number)))

    assert 5 <= guard.status().remembered <= 10


def test_the_memory_can_be_switched_off(clock: Clock) -> None:
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(KEY)), cache=0)
    guard.clock = clock

    assert guard.verify(token()) == guard.verify(token())
    assert guard.status().remembered == 0


def test_threads_may_verify_at_once(guard: Guard) -> None:
    tokens = [token(jti=str(number)) for number in range(40)]

    def work(worker: int) -> set[str]:
        return {guard.verify(tokens[(worker + step) % 40]).claims["jti"] for step in range(200)}

    with ThreadPoolExecutor(8) as pool:
        assert set.union(*pool.map(work, range(8))) == {str(number) for number in range(40)}


# --- a header


def test_admit_reads_a_header(guard: Guard) -> None:
    good = token()

    for header in (f"Bearer {good}", f"bearer {good}", f"BEARER {good}".encode()):
        who = guard.admit(header, now=NOW)
        assert isinstance(who, Principal)
        assert who.sub == "ada"


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", b"Digest x"])
def test_admit_without_credentials(guard: Guard, header: str | bytes | None) -> None:
    with pytest.raises(TokenMissing):
        guard.admit(header, now=NOW)


def test_admit_judges_at_the_time_it_is_given(guard: Guard) -> None:
    header = f"Bearer {token()}"

    assert isinstance(guard.admit(header, now=NOW + 909), Principal)
    with pytest.raises(Expired):
        guard.admit(header, now=NOW + 910)


def test_admit_does_not_wait_for_the_network(issuer: StandIn, guards: Guards) -> None:
    issuer.keys_pause = 2.0
    guard = guards(issuer.url, revocation=None)

    for _ in range(2):
        assert guard.admit(f"Bearer {issuer.token()}", now=time.time()) == NeedKeys(keys=True)

    assert guard.status().keys_age is None


# --- the issuer's own guard


@pytest.fixture
def local(clock: Clock) -> Iterator[tuple[Guard, list[Any], revoked.Revoked]]:
    held, news = [jwks.of(KEY)], revoked.Revoked()
    guard = Guard.local(ISSUER, keys=lambda: held[0], revoked=news)
    guard.clock = clock
    yield guard, held, news
    guard.close()


def test_the_issuer_takes_its_tokens_for_any_audience(local: tuple[Guard, list[Any], revoked.Revoked]) -> None:
    guard, _, _ = local

    assert guard.verify(token(aud=("gym",))).claims["aud"] == ("gym",)
    with pytest.raises(IssuerMismatch):
        guard.verify(token(iss="https://other.example.com"))
    with pytest.raises(TypeMismatch):
        guard.verify(token(typ="jwt"))


def test_the_issuer_may_ask_for_an_audience(clock: Clock) -> None:
    guard = Guard.local(ISSUER, keys=lambda: KEY, audience=ISSUER)
    guard.clock = clock

    assert guard.verify(token()).sub == "ada"
    with pytest.raises(AudienceMismatch):
        guard.verify(token(aud=("gym",)))
    assert guard.status() == Status(keys_age=0.0, remembered=1)


def test_other_keys_count_at_once(local: tuple[Guard, list[Any], revoked.Revoked]) -> None:
    guard, held, _ = local
    good = token()
    guard.verify(good)

    held[0] = jwks.of(new_key("ES256", "k2"))
    with pytest.raises(UnknownKey):
        guard.verify(good)

    held[0] = jwks.of(KEY, new_key("ES256", "k3"))
    assert guard.verify(good).sub == "ada"


@pytest.mark.parametrize(
    ("kind", "name", "epoch", "error"),
    [
        ("sid", "s1", None, Revoked),
        ("jti", "j1", None, Revoked),
        ("kid", "k1", None, Revoked),
        ("sub", "ada", 6, ClaimsStale),
    ],
)
def test_news_hit_a_remembered_token_at_once(
    local: tuple[Guard, list[Any], revoked.Revoked], kind: str, name: str, epoch: int | None, error: type[TokenError]
) -> None:
    guard, _, news = local
    good, other = token(), token(new_key("ES256", "k1"), sub="bob", sid="s2", jti="j2")
    guard.verify(good)

    entry = feed.Entry(kind, feed.digest(ISSUER, kind, name), epoch, NOW + 1000)
    news.take(feed.Page("i.1", more=False, reset=False, entries=(entry,)))

    for _ in range(2):
        with pytest.raises(error):
            guard.verify(good)
    with pytest.raises(SignatureInvalid):
        guard.verify(other)


def test_news_of_others_do_not_cost_a_signature(local: tuple[Guard, list[Any], revoked.Revoked]) -> None:
    guard, _, news = local
    good = token()
    who = guard.verify(good)

    entry = feed.Entry("sid", feed.digest(ISSUER, "sid", "s2"), None, NOW + 1000)
    news.take(feed.Page("i.1", more=False, reset=False, entries=(entry,)))

    assert guard.verify(good) is who


def test_a_token_without_a_kid_is_hit_by_its_key(clock: Clock) -> None:
    news = revoked.Revoked()
    guard = Guard.local(ISSUER, keys=lambda: KEY, revoked=news)
    guard.clock = clock
    signed = token()
    payload = signed.split(".")[1]
    header = b64.encode(msgspec.json.encode({"alg": "ES256", "typ": "at+jwt"}))
    signing = f"{header}.{payload}"
    bare = f"{signing}.{b64.encode(KEY.sign(signing.encode()))}"
    assert guard.verify(bare).sub == "ada"

    entry = feed.Entry("kid", feed.digest(ISSUER, "kid", "k1"), None, NOW + 1000)
    news.take(feed.Page("i.1", more=False, reset=False, entries=(entry,)))

    with pytest.raises(Revoked):
        guard.verify(bare)


# --- what others read of it


def test_a_guard_reads_well() -> None:
    assert "issuer" in inspect.signature(Guard).parameters
    assert list(inspect.signature(Guard(ISSUER, revocation=None)).parameters) == [
        "connection",
        "security_scopes",
        "bearer",
    ]


def test_the_answer_to_an_error_names_the_realm() -> None:
    guard = Guard(ISSUER, revocation=None, realm="gym")

    assert dict(guard.answer(TokenMissing()).headers)["WWW-Authenticate"] == 'Bearer realm="gym"'
