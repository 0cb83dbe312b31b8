"""Typed uses that pin the kit's public face: the type checker is the test, running it only shows that it runs."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, assert_type

from jotgate import Guard
from jotgate.testing import (
    Clock,
    TestIssuer,
    assert_refuses_bad_tokens,
    assert_refuses_bad_tokens_async,
    bad_tokens,
)
from jotgate.testing.live import LiveIssuer, Tokens, serve_in_thread


def in_process(client: object, guard: Guard) -> None:
    with TestIssuer(guard, clock=Clock(1.0)) as issuer:
        assert_type(issuer, TestIssuer)
        assert_type(issuer.guards, tuple[Guard, ...])
        assert_type(issuer.mint("manager", ["a:b"], sub="ada", guard=guard, tenant=7), str)
        assert_type(issuer.headers(role=["manager"], scope="a:b"), dict[str, str])
        assert_type(issuer.acting_as(client, role="manager"), AbstractContextManager[Any])
        assert_type(issuer.bad_tokens(), Mapping[str, str])
        assert_type(bad_tokens(issuer, role="manager"), Mapping[str, str])
        assert_type(issuer.clock.move(3600), float)
        assert_type(issuer.guard("https://auth.example.com", audience="gym"), Guard)
        issuer.revoke(sid="s1", jti="j1", kid="k1", token="t")
        issuer.change_roles("ada")
        issuer.rotate_keys()
        issuer.take_over(guard)
        assert_refuses_bad_tokens(client, "/payments", "POST", issuer=issuer, optional=True, role="manager")


async def awaited(client: object) -> None:
    await assert_refuses_bad_tokens_async(client, "/payments", scope="a:b")


def in_a_thread() -> None:
    with serve_in_thread(profile="standard", access_ttl=60) as issuer:
        assert_type(issuer, LiveIssuer)
        assert_type(issuer.add_user("ada@example.com", username="ada", password="p", name="A", role="m"), str)
        tokens = issuer.login("ada", "p")
        assert_type(tokens, Tokens)
        assert_type(tokens.headers, dict[str, str])
        assert_type(tokens.refresh_token, str | None)
        issuer.logout(tokens)
        issuer.set_role("m", "a:b", "c:*")
        assert_type(issuer.guard(leeway=60), Guard)
        assert_type(issuer.url, str)
        assert_refuses_bad_tokens("http://127.0.0.1:1", "/", issuer=issuer)
        issuer.stop()


def test_the_public_face_is_as_typed(guard: Guard) -> None:
    with TestIssuer(guard) as issuer:
        assert guard.verify(issuer.mint()).sub == "test-user"
    assert callable(in_process)
    assert callable(awaited)
    assert callable(in_a_thread)
