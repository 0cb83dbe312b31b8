"""The first start: somebody must be able to administrate, and there is no default password.

    administrator    ADMIN_EMAIL    answer
    -------------    -----------    ------
    there is one     any            nothing
    nobody           given          that user, with the role admin
    nobody           not given      a set-up link, good once and for 30 minutes, printed and kept in a 0600 file

Under HS256 there is no administration over HTTP, so nobody is asked for.
"""

from pathlib import Path

from jotgate import datadir
from jotgate.core.roles import ADMIN_ROLE
from jotgate.errors import IdentifierTaken, Invalid, StartError
from jotgate.flows import setup, users
from jotgate.flows.env import Env
from jotgate.settings import Settings

LINK_FILE = "setup-link"


async def administrator(env: Env, settings: Settings) -> str | None:
    """See that there is one, or can be; the set-up link if one was made."""
    link_file(settings).unlink(missing_ok=True)
    if settings.policy.symmetric or not await setup.needed(env):
        return None
    if settings.admin_email and settings.admin_password:
        await _make(env, settings.admin_email, settings.admin_password)
        return None
    link = f"{settings.policy.issuer}{settings.policy.prefix}/setup?token={await setup.make(env)}"
    datadir.write_over(link_file(settings), f"{link}\n".encode())
    return link


async def _make(env: Env, email: str, password: str) -> None:
    try:
        await users.add(env, email=email, password=password, roles=(ADMIN_ROLE,))
    except IdentifierTaken:
        if not await setup.needed(env):  # another node made that user at the same time
            return
        # Whoever registered that address must not become administrator by it.
        raise StartError(
            f"JOTGATE_ADMIN_EMAIL: {email} is a user who cannot administrate: if that is right, "
            f"jotgate user role {email} --add {ADMIN_ROLE}"
        ) from None
    except Invalid as error:
        raise StartError(f"JOTGATE_ADMIN_EMAIL and JOTGATE_ADMIN_PASSWORD: {error.detail}") from None


def link_here(settings: Settings) -> str | None:
    """The set-up link of this start, if one was made."""
    try:
        return link_file(settings).read_text("utf-8").strip()
    except FileNotFoundError:
        return None


def link_file(settings: Settings) -> Path:
    """Where the link is kept."""
    return settings.data_dir / LINK_FILE
