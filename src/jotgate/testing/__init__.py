"""Testing applications that a guard protects: no server, no network, nothing of the application replaced.

    pytest -p jotgate.testing       # or, in the topmost conftest.py: pytest_plugins = ["jotgate.testing"]

gives the fixtures of `jotgate.testing.fixtures`. Without pytest, in `unittest` or a shell:

    with TestIssuer() as issuer:
        client.get("/payments", headers=issuer.headers(role="manager"))

fixtures.py    the pytest plugin                    issuer.py      TestIssuer, with aim.py, keyring.py, clock.py
acting.py      acting as somebody                   refusal.py     assert_refuses_bad_tokens, with asking.py
badtokens.py   the hostile tokens, from model.py, forged.py, issued.py, spelled.py; misplaced.py
live.py        a whole issuer in a thread; needs jotgate[server] and is not imported here
"""

from collections.abc import Mapping
from typing import Any

from jotgate.testing.clock import Clock
from jotgate.testing.issuer import TestIssuer
from jotgate.testing.refusal import assert_refuses_bad_tokens, assert_refuses_bad_tokens_async

__all__ = ["Clock", "TestIssuer", "assert_refuses_bad_tokens", "assert_refuses_bad_tokens_async", "bad_tokens"]

pytest_plugins = ("jotgate.testing.fixtures",)


def bad_tokens(issuer: TestIssuer, **claims: Any) -> Mapping[str, str]:
    """Some hundreds of tokens that every guard must refuse, by name; as `TestIssuer.bad_tokens`."""
    return issuer.bad_tokens(**claims)
