"""Log in, refresh, log out: tokens out, tokens in."""

from msgspec import UNSET

from jotgate.core.model import Origin, Session, TokenPair
from jotgate.errors import CredentialsAmbiguous, GrantError, Invalid, Replayed, TokenMissing
from jotgate.flows import login as login_flow
from jotgate.flows import logout as logout_flow
from jotgate.flows import refresh as refresh_flow
from jotgate.flows import sessions as sessions_flow
from jotgate.server.access import authentic
from jotgate.server.gate import Gate
from jotgate.server.headers import Header
from jotgate.server.reply import NO_CONTENT, Reply, no_content, ok
from jotgate.server.request import Request
from jotgate.server.schemas import (
    CamelTokenAnswer,
    LoginBody,
    RefreshBody,
    SessionAnswer,
    SessionsAnswer,
    TokenAnswer,
)

_KINDS = ("email", "username")


async def login(gate: Gate, request: Request) -> Reply:
    """POST {prefix}/login."""
    with_cookies = gate.browser.wants_cookies(request)
    body = await request.json(LoginBody)
    kind, identifier = _identifier(body, gate.policy.login_identifiers)
    pair = await login_flow.login(
        gate.env,
        kind,
        identifier,
        password=body.password,
        origin=request.origin(),
        audience=_audience(body.audience),
        scope=body.scope,
    )
    return _tokens(gate, pair, gate.browser.set(request, pair) if with_cookies else ())


async def refresh(gate: Gate, request: Request) -> Reply:
    """POST {prefix}/refresh. A failure leaves the cookies alone: another tab may just have set new ones."""
    body = await request.json_if_any(RefreshBody)
    given = _refresh_token(body) if gate.browser.tokens_in_body else None  # else its successor would be lost
    found = gate.browser.found(request)
    if given is not None and found.refresh not in {None, given}:
        raise CredentialsAmbiguous("body and cookie carry different refresh tokens")
    if given is None and found.refresh is not None:
        gate.browser.check(request, found.csrf)
    token = found.refresh if given is None else given
    if token is None:
        raise _no_refresh_token(gate)
    pair = await _refreshed(gate, token, request.origin())
    return _tokens(gate, pair, gate.browser.set(request, pair) if found.refresh is not None else ())


async def _refreshed(gate: Gate, token: str, origin: Origin) -> TokenPair:
    """The next pair; every decision is counted."""
    try:
        pair = await refresh_flow.refresh(gate.env, token, origin=origin)
    except GrantError as error:
        gate.meters.refreshed("replay" if isinstance(error, Replayed) else "refuse")
        raise
    gate.meters.refreshed(pair.decision)
    return pair


async def logout(gate: Gate, request: Request) -> Reply:
    """POST {prefix}/logout."""
    token = _refresh_token(await request.json_if_any(RefreshBody))
    claims = authentic(gate, request)
    if token is None and claims is None and not gate.browser.wants_cookies(request):
        raise TokenMissing
    await logout_flow.logout(gate.env, refresh_token=token, claims=claims)
    return no_content(gate.browser.clear(request))


async def logout_all(gate: Gate, request: Request) -> Reply:
    """POST {prefix}/logout-all."""
    await logout_flow.logout_all(gate.env, request.who.sub)
    return no_content(gate.browser.clear(request))


async def sessions(gate: Gate, request: Request) -> Reply:
    """GET {prefix}/sessions."""
    rows = await sessions_flow.list_own(gate.env, request.who.sub)
    return ok(SessionsAnswer([session_answer(row, current=row.id == request.who.sid) for row in rows]))


async def end_session(gate: Gate, request: Request) -> Reply:
    """DELETE {prefix}/sessions/{id}."""
    await sessions_flow.end(gate.env, request.target, user_id=request.who.sub)
    return NO_CONTENT


def session_answer(row: Session, *, current: bool) -> SessionAnswer:
    """A session as its owner or an administrator sees it."""
    return SessionAnswer(
        id=row.id,
        client_id=row.client_id,
        opened_at=row.opened_at,
        refreshed_at=row.rotated_at,
        expires_at=min(row.expires_at, row.rotated_at + row.idle_seconds),
        device=row.device,
        address=row.address,
        current=current,
    )


def _identifier(body: LoginBody, allowed: tuple[str, ...]) -> tuple[str, str]:
    """Which of the identifiers that are allowed here is there, and its value."""
    given = {"email": body.email, "username": body.username}
    found = [(kind, value) for kind in allowed if (value := given[kind]) is not None]
    if len(found) != 1:
        wanted = " or ".join(allowed)
        raise Invalid(f"{wanted}: one is needed" if len(allowed) > 1 else f"{wanted}: is missing", field=allowed[0])
    return found[0]


def _audience(asked: str | list[str] | None) -> tuple[str, ...] | None:
    if asked == []:
        raise Invalid("audience: name one, or leave it out", field="audience")
    return (asked,) if isinstance(asked, str) else None if asked is None else tuple(asked)


def _refresh_token(body: RefreshBody) -> str | None:
    """The token by either of its names."""
    if body.camel is None:
        return body.refresh_token
    if body.refresh_token not in {None, body.camel}:
        raise CredentialsAmbiguous("refresh_token and refreshToken differ")
    return body.camel


def _no_refresh_token(gate: Gate) -> GrantError | Invalid:
    """With cookies its absence is a session that is over, else a field that is missing."""
    if gate.browser.cookies_in_use:
        return GrantError("no refresh token was sent")
    return Invalid("refresh_token: is missing", field="refresh_token")


def _tokens(gate: Gate, pair: TokenPair, cookies: tuple[Header, ...]) -> Reply:
    in_body = gate.browser.tokens_in_body
    if gate.policy.response_names == "camel":
        return ok(_camel(pair) if in_body else CamelTokenAnswer(), headers=cookies)
    answer = TokenAnswer(
        access_token=pair.access_token if in_body else UNSET,
        token_type="Bearer" if in_body else UNSET,
        expires_in=pair.expires_in,
        refresh_token=(pair.refresh_token if in_body else None) or UNSET,
        refresh_expires_in=pair.refresh_expires_in or UNSET,
        scope=pair.scope,
    )
    return ok(answer, headers=cookies)


def _camel(pair: TokenPair) -> CamelTokenAnswer:
    return CamelTokenAnswer(token=pair.access_token, refresh_token=pair.refresh_token or UNSET)
