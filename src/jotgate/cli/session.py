"""`jotgate session`: who is logged in; ending a session refuses its tokens everywhere within a second."""

import click

from jotgate.cli.options import ACTOR, as_json, on_database
from jotgate.cli.output import rows
from jotgate.core.model import Session
from jotgate.flows import logout, sessions, users
from jotgate.flows.env import Env

_COLUMNS = ("id", "user_id", "opened_at", "rotated_at", "expires_at", "device", "address")


@click.group()
def command() -> None:
    """See who is logged in; end sessions."""


@command.command("list")
@click.argument("user", required=False)
@as_json
@on_database
async def list_open(env: Env, *, user: str | None, as_json: bool) -> None:
    """List the open sessions: all, or those of USER (e-mail address, user name or id)."""
    found: list[Session] = []
    if user is not None:
        found += await sessions.list_own(env, (await users.find(env, user)).id)
    else:
        while page := await sessions.page(env, after=found[-1].id if found else ""):
            found += page
    rows([_shown(session) for session in found], _COLUMNS, as_json=as_json)


@command.command()
@click.argument("session_id", metavar="ID", required=False)
@click.option("--user", help="End all sessions of this user.")
@on_database
async def end(env: Env, *, session_id: str | None, user: str | None) -> None:
    """End the session with this ID, or with --user all of a user's."""
    if (session_id is None) == (user is None):
        raise click.UsageError("Give a session's ID, or --user.")
    if user is not None:
        await logout.logout_all(env, (await users.find(env, user)).id)
        click.echo(f"All sessions of {user} have ended.")
    if session_id is not None:
        await sessions.end(env, session_id, actor=ACTOR)
        click.echo(f"The session {session_id} has ended.")


def _shown(session: Session) -> dict[str, object]:
    return {name: getattr(session, name) for name in (*_COLUMNS, "client_id")}
