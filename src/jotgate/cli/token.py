"""`jotgate token`: look at access tokens, verify them, mint one for an errand.

Tokens are read from standard input, never from an argument, which every user of the machine could see.
"""

import asyncio
import sys
import time
from pathlib import Path

import click
import msgspec

from jotgate.assemble import opened
from jotgate.cli.options import ACTOR, as_json, on_database, settings_here, where
from jotgate.cli.output import facts, instant
from jotgate.core.model import Grant
from jotgate.errors import Invalid, Malformed, Revoked, TokenError
from jotgate.flows import mint as minting
from jotgate.flows import roles as roles_flow
from jotgate.flows import sessions, users
from jotgate.flows.env import Env
from jotgate.guard.guard import Guard
from jotgate.jose import b64, jwt, strictjson
from jotgate.settings import Settings
from jotgate.store import audit

_INSTANTS = {"exp", "iat", "nbf", "auth_time"}


@click.group()
def command() -> None:
    """Inspect, verify and mint access tokens. Tokens are read from standard input."""


@command.command()
@as_json
def inspect(*, as_json: bool) -> None:
    """Show what the token on standard input says, without verifying anything."""
    segments = _token().split(".")
    if len(segments) != 3:
        raise Malformed("this is not a token of three parts")
    header, payload = (strictjson.loads(b64.decode(segment)) for segment in segments[:2])
    if as_json:
        return facts({"verified": False, "header": header, "claims": payload}, as_json=True)
    click.echo("NOT VERIFIED: anybody can have written this.", err=True)
    return facts({**header, **_readable(payload)}, as_json=False)


@command.command()
@click.option("--issuer", help="Verify as a service of this issuer would; else with the keys here.")
@click.option("--audience", help="The audience to be named in it; the issuer itself if not given.")
@as_json
@where
def verify(
    *, issuer: str | None, audience: str | None, as_json: bool, config: Path | None, data_dir: str | None
) -> None:
    """Verify the token on standard input, as a guard does: exit code 0 if it is good, 1 if not."""
    token = _token()
    try:
        if issuer is None:
            claims = asyncio.run(_verify_here(settings_here(config, data_dir), token, audience))
        else:
            claims = _verify_there(issuer, token, audience)
    except TokenError as error:
        raise click.ClickException(f"refused, {error.code}: {error.detail}") from None
    facts({"verified": True, **(claims if as_json else _readable(claims))}, as_json=as_json)


@command.command()
@click.option("--email", help="For this user.")
@click.option("--sub", help="For this subject: a user's id, or any name for a machine.")
@click.option("--role", "roles", multiple=True, help="With this role instead of the user's; may be repeated.")
@click.option("--audience", "audience", multiple=True, help="For this audience; may be repeated.")
@click.option(
    "--ttl", type=click.IntRange(1), default=300, show_default=True, help="Seconds to live, at most ACCESS_TTL."
)
@on_database
async def mint(
    env: Env, *, email: str | None, sub: str | None, roles: tuple[str, ...], audience: tuple[str, ...], ttl: int
) -> None:
    """Mint an access token for an errand.

    It belongs to no session: it ends at its time, when the user is disabled or changed, or with `jotgate key revoke`.
    """
    if (email is None) == (sub is None):
        raise click.UsageError("Give --email or --sub.")
    if ttl > env.policy.access_ttl:  # guards forget what is revoked when tokens of that life have ended
        raise Invalid(f"--ttl is at most JOTGATE_ACCESS_TTL, {env.policy.access_ttl} s", field="ttl")
    now = int(env.clock())
    grant = await _grant(env, email, sub, roles=roles, audience=audience, now=now)
    detail = f"roles {' '.join(grant.roles)}; {ttl} s"
    await env.store.write(
        lambda tx: audit.append(tx, "token_minted", now=now, actor=ACTOR, user_id=grant.user_id, detail=detail)
    )
    scope = " ".join(grant.permissions)
    click.echo(minting.access_token(env, grant, expires_at=now + ttl, scope=scope, now=now))


def _token() -> str:
    if sys.stdin.isatty():
        click.echo("Paste the token and press Enter:", err=True)
    try:
        token = (sys.stdin.readline() if sys.stdin.isatty() else sys.stdin.read()).strip()
    except UnicodeDecodeError:
        raise Malformed("standard input is not text") from None
    if not token:
        raise click.UsageError("There is no token on standard input.")
    return token.removeprefix("Bearer ")


def _readable(claims: dict[str, object]) -> dict[str, object]:
    return {name: instant(value) if name in _INSTANTS else value for name, value in claims.items()}


async def _verify_here(settings: Settings, token: str, audience: str | None) -> dict[str, object]:
    async with opened(settings, upkeep=False) as env:
        expect = jwt.Expect(issuer=env.issuer, audience=audience or env.policy.audience[0])
        claims = jwt.decode(token, env.keyring.current.public, expect, now=int(time.time()))
        if claims.sid is not None and not await sessions.is_open(env, claims.sid):
            raise Revoked("the session is over")
        plain: dict[str, object] = msgspec.to_builtins(claims)
        return plain


def _verify_there(issuer: str, token: str, audience: str | None) -> dict[str, object]:
    guard = Guard(issuer=issuer, audience=audience)
    try:
        return dict(guard.verify(token).claims)
    finally:
        guard.close()


async def _grant(
    env: Env, email: str | None, sub: str | None, *, roles: tuple[str, ...], audience: tuple[str, ...], now: int
) -> Grant:
    user = None if email is None else await users.find(env, email)
    if unknown := set(audience) - {env.issuer, *env.policy.audience}:
        raise Invalid(f"this issuer does not serve the audience {' '.join(sorted(unknown))}", field="audience")
    held = roles or (user.roles if user else ())
    given = {role.name: role.permissions for role in await roles_flow.list_all(env)}
    return Grant(
        session_id=None,
        user_id=user.id if user else str(sub),
        client_id="jotgate-cli",
        audience=audience or env.policy.audience,
        scope=None,
        roles=tuple(sorted(set(held))),
        permissions=tuple(sorted({permission for role in held for permission in given.get(role, ())})),
        epoch=user.epoch if user else 0,
        auth_time=now,
        amr="cli",
        expires_at=now + 86400,
        idle_seconds=0,
        email=user.email if user else None,
        username=user.username if user else None,
        name=user.name if user else None,
    )
