"""The issuer in the test's own process, as guards and tests see it."""

import gc
import secrets

import pytest

from jotgate.errors import (
    AudienceMismatch,
    ClaimsStale,
    Expired,
    Misuse,
    Revoked,
    RoleMissing,
    SignatureInvalid,
    StepUpRequired,
    UnknownKey,
)
from jotgate.guard.guard import Guard
from jotgate.jose import jwk, jwks, jws, jwt, new_key
from jotgate.testing import Clock, TestIssuer
from jotgate.testing.aim import foreseen
from tests.guard.standin import claims
from tests.testing.conftest import ISSUER


@pytest.fixture
def other() -> Guard:
    return Guard("https://other.example")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("JOTGATE_ISSUER", raising=False)
    return monkeypatch


def test_a_token_is_for_the_guards_own_issuer_and_audience(issuer: TestIssuer, guard: Guard) -> None:
    who = guard.verify(issuer.mint("manager", "payments:read members:*", sub="ada", name="Ada"))

    who.require(role="manager", scope=["payments:read", "members:write"])
    assert (who.sub, who.claims["iss"], who.claims["aud"], who.claims["name"]) == ("ada", ISSUER, ("gym",), "Ada")
    assert who.sid
    with pytest.raises(RoleMissing):
        who.require(role="admin")


def test_roles_and_scopes_are_one_or_several(issuer: TestIssuer, guard: Guard) -> None:
    who = guard.verify(issuer.mint(["manager", "head of gym"], ["a:b", "c:d"]))

    assert who.roles == ("manager", "head of gym")
    assert guard.verify(issuer.mint("head of gym")).roles == ("head of gym",)
    assert who.scopes == {"a:b", "c:d"}


def test_claims_are_changed_added_and_left_out(issuer: TestIssuer, guard: Guard) -> None:
    who = guard.verify(issuer.mint(sid=None, tenant={"id": 7}, client_id="app"))

    assert who.sid is None
    assert who.claims["tenant"] == {"id": 7}
    assert who.claims["client_id"] == "app"


def test_headers_are_what_clients_send(issuer: TestIssuer, guard: Guard) -> None:
    (header,) = issuer.headers(role="manager").items()

    assert header[0] == "Authorization"
    assert guard.verify(header[1].removeprefix("Bearer ")).roles == ("manager",)


def test_signatures_are_really_checked(issuer: TestIssuer, guard: Guard) -> None:
    stranger = new_key("ES256", "test-1")

    with pytest.raises(SignatureInvalid):
        guard.verify(jwt.encode(claims(ISSUER, aud=("gym",)), stranger))
    with pytest.raises(AudienceMismatch):
        guard.verify(issuer.mint(aud="somebody else"))


def test_a_login_can_be_too_long_ago(issuer: TestIssuer, guard: Guard) -> None:
    who = guard.verify(issuer.mint())

    who.require_fresh(300, now=issuer.clock.now + 299)
    with pytest.raises(StepUpRequired):
        who.require_fresh(300, now=issuer.clock.now + 3600)


def test_time_passes_when_the_clock_is_moved(issuer: TestIssuer, guard: Guard) -> None:
    token = issuer.mint()

    issuer.clock.move(900 + 9)
    assert guard.verify(token)
    issuer.clock.move(1)
    with pytest.raises(Expired):
        guard.verify(token)
    assert guard.verify(issuer.mint())


def test_a_guard_gets_back_what_it_had() -> None:
    key = new_key("ES256", "k1")
    guard = Guard(ISSUER, jwks=jwks.of(jwk.public_half(key)))
    real, clock = jwt.encode(claims(ISSUER), key), guard.clock

    with TestIssuer(guard) as issuer:
        test = issuer.mint()
        assert guard.verify(test)
        with pytest.raises(SignatureInvalid):
            guard.verify(real)

    assert guard.verify(real).sub == "ada"
    assert guard.clock is clock
    with pytest.raises(SignatureInvalid):
        guard.verify(test)


def test_closing_twice_is_fine(guard: Guard) -> None:
    issuer = TestIssuer(guard)

    issuer.close()
    issuer.close()


def test_guards_that_are_made_later_are_taken_over_too() -> None:
    with TestIssuer() as issuer:
        guard = Guard("https://later.example")

        assert guard.verify(issuer.mint(guard=guard)).claims["iss"] == "https://later.example"
        assert guard.verify(issuer.mint(iss="https://later.example"))


def test_an_issuers_own_guard_is_left_alone() -> None:
    key = new_key("ES256", "k1")

    with TestIssuer():
        own = Guard.local(ISSUER, keys=lambda: jwks.of(key))

        assert own.verify(jwt.encode(claims(ISSUER), key)).sub == "ada"


@pytest.mark.parametrize(
    ("options", "alg"),
    [
        ({}, "ES256"),
        ({"algorithms": "EdDSA"}, "EdDSA"),
        ({"algorithms": ["PS256", "ES384"]}, "PS256"),
        ({"hs256_secret": secrets.token_bytes(32)}, "HS256"),
        ({"hs256_secret": secrets.token_bytes(64), "algorithms": ["HS512"]}, "HS512"),
    ],
)
def test_a_guard_gets_a_key_that_it_accepts(options: dict[str, object], alg: str) -> None:
    with TestIssuer() as issuer:
        guard = issuer.guard("https://algorithms.example", **options)
        token = issuer.mint(guard=guard)

        assert guard.verify(token).sub == "test-user"
        assert issuer.model(guard=guard).key.alg == alg
        issuer.rotate_keys()
        assert guard.verify(issuer.mint(guard=guard)).sub == "test-user"


# --- what happens to tokens that are out


@pytest.mark.parametrize("by", ["sid", "jti", "token"])
def test_a_revoked_token_is_refused_at_once(issuer: TestIssuer, guard: Guard, by: str) -> None:
    token, other = issuer.mint(sid="s1", jti="j1"), issuer.mint(sid="s2", jti="j2")
    assert guard.verify(token)

    issuer.revoke(**{by: {"sid": "s1", "jti": "j1", "token": token}[by]})

    with pytest.raises(Revoked):
        guard.verify(token)
    assert guard.verify(other)


def test_a_token_without_a_session_is_revoked_by_itself(issuer: TestIssuer, guard: Guard) -> None:
    token, other = issuer.mint(sid=None), issuer.mint(sid=None)

    issuer.revoke(token=token)

    with pytest.raises(Revoked):
        guard.verify(token)
    assert guard.verify(other)


def test_nothing_is_revoked_by_mistake(issuer: TestIssuer) -> None:
    with pytest.raises(Misuse):
        issuer.revoke()


def test_changed_roles_make_older_tokens_stale(issuer: TestIssuer, guard: Guard) -> None:
    before, others = issuer.mint("manager", sub="ada"), issuer.mint(sub="bob")
    assert guard.verify(before)

    issuer.change_roles("ada")
    issuer.change_roles("ada")

    with pytest.raises(ClaimsStale):
        guard.verify(before)
    assert guard.verify(others)
    assert guard.verify(issuer.mint("member", sub="ada")).roles == ("member",)


def test_keys_rotate_and_those_before_stay_good(issuer: TestIssuer, guard: Guard) -> None:
    before = issuer.mint()

    issuer.rotate_keys()
    after = issuer.mint()

    assert jwk_name(before) != jwk_name(after)
    assert guard.verify(before).sub == guard.verify(after).sub


def test_a_revoked_key_is_gone(issuer: TestIssuer, guard: Guard) -> None:
    before = issuer.mint()
    assert guard.verify(before)

    issuer.revoke(kid=jwk_name(before))

    with pytest.raises(UnknownKey):
        guard.verify(before)
    assert guard.verify(issuer.mint())


def jwk_name(token: str) -> str:
    return str(jws.peek(token).kid)


def test_a_guard_hears_here_what_it_would_hear_there() -> None:
    deaf = Guard(ISSUER, revocation=None)
    with TestIssuer(deaf) as issuer:
        token = issuer.mint()
        issuer.revoke(token=token)

        assert deaf.verify(token)


def test_a_guard_that_denies_without_news_has_them(issuer: TestIssuer) -> None:
    guard = issuer.guard(on_stale="deny")

    assert guard.verify(issuer.mint(guard=guard))


def test_who_comes_later_hears_of_what_was_revoked_before(issuer: TestIssuer) -> None:
    issuer.revoke(sid="s1")
    late = issuer.guard("https://late.example")

    with pytest.raises(Revoked):
        late.verify(issuer.mint(guard=late, sid="s1"))


# --- for whom


def test_one_token_is_good_at_every_service_of_an_issuer(guard: Guard) -> None:
    shop = Guard(ISSUER, audience="shop", leeway=60, max_lifetime=300)

    with TestIssuer(guard, shop) as issuer:
        token = issuer.mint()

        assert guard.verify(token).claims["aud"] == shop.verify(token).claims["aud"] == ("gym", "shop")
        with pytest.raises(AudienceMismatch):
            shop.verify(issuer.mint(guard=guard))


def test_between_issuers_the_test_has_to_choose(guard: Guard, other: Guard) -> None:
    with TestIssuer(guard, other) as issuer:
        with pytest.raises(Misuse, match=r"guards of several issuers .*auth\.example\.com.*other\.example.*guard="):
            issuer.mint()

        assert other.verify(issuer.mint(guard=other))
        assert other.verify(issuer.mint(iss="https://other.example"))


def test_between_algorithms_the_test_has_to_choose(guard: Guard) -> None:
    older = Guard(ISSUER, algorithms="RS256")

    with TestIssuer(guard, older) as issuer, pytest.raises(Misuse, match="several algorithms"):
        issuer.mint()


def test_without_any_guard_nothing_is_minted(environment: pytest.MonkeyPatch, guard: Guard) -> None:
    issuer = TestIssuer(guard)
    issuer.close()

    with pytest.raises(Misuse, match="no guard stands in this process yet"):
        issuer.mint()


def test_a_guard_that_the_environment_will_make_is_foreseen(environment: pytest.MonkeyPatch) -> None:
    (options,) = foreseen({"JOTGATE_ISSUER": ISSUER, "JOTGATE_AUDIENCE": "gym"})

    assert (options.issuer, options.audience) == (ISSUER, "gym")
    assert foreseen({}) == []


def test_strays_of_tests_that_are_over_do_not_matter() -> None:
    """What waits in a cycle for the collector is a guard that nobody means."""
    gc.disable()
    try:
        for number in range(3):
            stray = Guard(f"https://stray{number}.example")
            stray.cycle = stray  # type: ignore[attr-defined]  # as an application and its guard are
        del stray
        with TestIssuer() as issuer:
            assert not [guard for guard in issuer.guards if "stray" in guard.options.issuer]
    finally:
        gc.enable()


def test_two_issuers_stand_one_inside_the_other(guard: Guard) -> None:
    with TestIssuer(guard, clock=Clock(1_000_000_000)) as outer:
        outside = outer.mint()
        with TestIssuer(guard) as inner:
            assert guard.verify(inner.mint())
            with pytest.raises(SignatureInvalid):
                guard.verify(outside)

        assert guard.verify(outside)
