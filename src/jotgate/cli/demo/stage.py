"""The demonstration's stage: two roles, two people with made-up passwords, and the services in the same process."""

import secrets

from starlette.types import ASGIApp, Receive, Scope, Send

from jotgate.cli.demo.lines import PEOPLE, ROLES, Stage, text
from jotgate.cli.demo.services import services
from jotgate.core.roles import ADMIN_ROLE
from jotgate.errors import NotFound, Refused
from jotgate.flows import roles, users
from jotgate.flows.env import Env
from jotgate.guard.guard import Guard
from jotgate.settings import Settings

_PATH = "/demo"


async def build(issuer: ASGIApp, env: Env, settings: Settings) -> tuple[ASGIApp, str]:
    """The issuer with the services below `/demo`, and the lines to paste. Raises `Refused` among real users.

    People of an earlier demonstration get new passwords.
    """
    await _refuse_among_others(env)
    for name, permissions in ROLES.items():
        await roles.set_role(env, name, permissions)
    passwords = {email: await _cast(env, email) for email in PEOPLE}
    base = settings.policy.issuer + _PATH
    stage = Stage(settings.policy, f"{base}/members", f"{base}/payments", passwords)
    return _both(issuer, services(_guard(env, settings))), text(stage)


def _guard(env: Env, settings: Settings) -> Guard:
    """As any service of this issuer would make it."""
    secret = env.keyring.secrets.hs256
    return Guard(
        settings.policy.issuer,
        audience=settings.policy.audience[0],
        hs256_secret=secret,
        feed_token=settings.feed_token,
    )


def _both(issuer: ASGIApp, demo: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        below = scope["type"] == "http" and scope["path"].startswith(f"{_PATH}/")
        await (demo if below else issuer)(scope, receive, send)

    return app


async def _cast(env: Env, email: str) -> str:
    """Somebody of the demonstration, with a new password."""
    password = secrets.token_urlsafe(12)
    name, role = PEOPLE[email]
    try:
        user = await users.find(env, email)
    except NotFound:
        await users.add(env, email=email, username=email.partition("@")[0], name=name, password=password, roles=(role,))
        return password
    await users.reset_password(env, user.id, password)
    await users.set_roles(env, user.id, (role,))
    return password


async def _refuse_among_others(env: Env) -> None:
    """Accounts whose passwords are printed have no place in an installation that somebody uses."""
    strangers = [user for user in await users.page(env) if user.email not in PEOPLE and ADMIN_ROLE not in user.roles]
    if strangers:
        raise Refused("there are users of your own here: --demo is for an empty data directory, set by --data-dir")
