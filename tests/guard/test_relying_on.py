"""A guard that is taken over for a test, and given back."""

import pytest

from jotgate.errors import Expired, Revoked, SignatureInvalid
from jotgate.guard.guard import Guard, watch_guards
from jotgate.guard.known import Given, Local
from jotgate.guard.revoked import Revoked as Revocations
from jotgate.jose import jwk, jwks, jwt, new_key
from jotgate.wire import feed
from tests.guard.standin import claims

ISSUER = "https://auth.example.com"
REAL, TEST = new_key("ES256", "k1"), new_key("ES256", "k1")


@pytest.fixture
def guard() -> Guard:
    return Guard(ISSUER, jwks=jwks.of(jwk.public_half(REAL)))


def test_a_guard_relies_on_other_keys_within_the_block_alone(guard: Guard) -> None:
    real, test = (jwt.encode(claims(ISSUER), key) for key in (REAL, TEST))
    assert guard.verify(real).sub == "ada"

    with guard.relying_on(Given(jwks.of(jwk.public_half(TEST)))):
        assert guard.verify(test).sub == "ada"
        with pytest.raises(SignatureInvalid):
            guard.verify(real)

    assert guard.verify(real).sub == "ada"
    with pytest.raises(SignatureInvalid):
        guard.verify(test)


def test_time_can_be_moved(guard: Guard) -> None:
    said = claims(ISSUER)
    now = [float(said.iat)]

    with guard.relying_on(Given(jwks.of(jwk.public_half(TEST))), clock=lambda: now[0]):
        token = jwt.encode(said, TEST)
        assert guard.verify(token).sub == "ada"
        now[0] = said.exp + 10
        with pytest.raises(Expired):
            guard.verify(token)


def test_revocations_can_be_relied_on_without_a_feed() -> None:
    guard = Guard(ISSUER, revocation="push", on_stale="deny")
    revoked = Revocations()
    token = jwt.encode(claims(ISSUER), TEST)

    with guard.relying_on(Local(lambda: keys, revoked)):
        assert guard.verify(token).sub == "ada"
        entry = feed.Entry("sid", feed.digest(ISSUER, "sid", "s1"), None, 2**40)
        revoked.take(feed.Page("i.1", more=False, reset=False, entries=(entry,)))

        with pytest.raises(Revoked):
            guard.verify(token)
    guard.close()


keys = jwks.of(jwk.public_half(TEST))


def test_guards_are_announced_before_and_after(guard: Guard) -> None:
    seen: list[Guard] = []

    stop = watch_guards(seen.append)
    later = Guard(ISSUER, jwks=jwks.of(jwk.public_half(REAL)))
    own = Guard.local(ISSUER, keys=lambda: keys)
    stop()
    after = Guard(ISSUER, jwks=jwks.of(jwk.public_half(REAL)))

    assert guard in seen
    assert later in seen
    assert own not in seen
    assert after not in seen
