"""The browser module: `client.js` as it lies beside this file, but for the line that says what this issuer is like."""

from functools import cache
from importlib import resources

from jotgate.core.policy import Policy
from jotgate.jose import strictjson
from jotgate.server.gate import Gate
from jotgate.server.headers import Header
from jotgate.server.reply import Reply
from jotgate.server.request import Request
from jotgate.server.wellknown import cached

_JAVASCRIPT: Header = (b"content-type", b"text/javascript; charset=utf-8")  # RFC 9239
_SECONDS = 3600
_OURS = 'const SERVED = { transport: "bearer", refresh: true };'


async def module(gate: Gate, request: Request) -> Reply:
    """GET {prefix}/client.js."""
    return cached(request, source(gate.policy), seconds=_SECONDS, kind=_JAVASCRIPT)


def source(policy: Policy) -> bytes:
    """The module as this issuer serves it."""
    return _source(policy.transport, policy.refresh)


@cache
def _source(transport: str, refresh: bool) -> bytes:  # noqa: FBT001  # as the policy has it
    text = resources.files("jotgate.server").joinpath("client.js").read_bytes()
    served = strictjson.dumps({"transport": transport, "refresh": refresh})
    return text.replace(_OURS.encode(), b"const SERVED = " + served + b";", 1)
