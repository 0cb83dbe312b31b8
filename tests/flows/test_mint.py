"""What access tokens say, by policy and profile."""

from typing import Any

import pytest

from jotgate.jose import jws
from jotgate.jose.strictjson import loads
from tests.flows.world import HS256, ISSUER, START, World, open_world

pytestmark = pytest.mark.anyio


async def payload(world: World) -> dict[str, Any]:
    """The claims of a fresh token as they stand in it."""
    await world.add(username="ada", name="Ada L", roles=["manager", "coach"])
    pair = await world.login() if "email" in world.env.policy.login_identifiers else await world.by_username()
    return loads(jws.verify(pair.access_token, world.env.keyring.current.public).payload)


async def test_a_token_says_what_rfc_9068_asks_and_nothing_else(world: World) -> None:
    claims = await payload(world)

    assert set(claims) == {
        "iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "roles", "epoch", "auth_time", "amr",
    }  # fmt: skip
    assert (claims["iss"], claims["iat"], claims["exp"]) == (ISSUER, START, START + 900)
    assert claims["aud"] in (ISSUER, [ISSUER])
    assert (claims["roles"], claims["amr"], claims["client_id"]) == (["coach", "manager"], ["pwd"], "jotgate")


async def test_the_header_is_exactly_alg_kid_typ(world: World) -> None:
    await world.add()

    header = jws.peek((await world.login()).access_token)

    signing = world.env.keyring.current.signing
    assert dict(header.members) == {"alg": "ES256", "kid": signing.kid, "typ": "at+jwt"}


async def test_no_two_tokens_have_the_same_name(world: World) -> None:
    await world.add()

    assert world.claims(await world.login()).jti != world.claims(await world.login()).jti


@pytest.mark.parametrize(
    ("profile", "extra"),
    [
        ("standard", {}),
        ("stateless", {"role": "coach"}),
        ("classic", {"name": "Ada L", "email": "ada@example.com", "role": "coach"}),
        ("camel", {"name": "Ada L", "email": "ada@example.com", "role": "coach"}),
    ],
)
async def test_profiles_add_their_claims(profile: str, extra: dict[str, str]) -> None:
    async with open_world(profile=profile) as world:
        claims = await payload(world)

    own = {"user_id": claims["sub"]} if profile == "classic" else {}
    assert {name: claims[name] for name in ("name", "email", "role", "user_id") if name in claims} == {**extra, **own}


async def test_a_user_name_is_told_where_the_policy_says_so() -> None:
    async with open_world(extra_claims=("preferred_username",)) as world:
        assert (await payload(world))["preferred_username"] == "ada"


async def test_what_a_user_does_not_have_is_left_out() -> None:
    async with open_world(extra_claims=("name", "role", "preferred_username")) as world:
        await world.add()

        claims = world.claims(await world.login())

    assert dict(claims.extra) == {}


@pytest.mark.parametrize("transport", ["cookie", "both"])
async def test_tokens_that_may_be_cookies_carry_a_csrf_value(transport: str) -> None:
    async with open_world(transport=transport) as world:
        await world.add()
        first = await world.login()
        second = await world.refresh(first)

        assert world.claims(first).extra["csrf"] == first.csrf
        assert world.claims(second).extra["csrf"] == second.csrf
        assert len({first.csrf, second.csrf, None}) == 3


async def test_bearer_tokens_carry_none(world: World) -> None:
    await world.add()

    assert (await world.login()).csrf is None


async def test_classic_is_signed_by_the_shared_secret() -> None:
    async with open_world(profile="classic") as world:
        await payload(world)
        signing = world.env.keyring.current.signing

        assert (signing.alg, signing.kty, signing.private) == ("HS256", "oct", HS256)
        assert world.env.keyring.current.public.export() == {"keys": []}


async def test_no_secret_shows_in_a_pair(world: World) -> None:
    await world.add()
    pair = await world.login()

    shown = repr(pair)

    assert pair.access_token not in shown
    assert (pair.refresh_token or "-") not in shown
