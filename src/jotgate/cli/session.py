"""`jotgate session`: who is logged in; ending a session refuses its tokens everywhere within a second."""

import click

from jotgate.cli.options import ACTOR, as_json, on_database
from jotgate.cli.output import rows
from jotgate.core.model import Session
from jotgate.flows import logout, sessions, users
from jotgate.flows.env import Env

_COLUMNS = ("id", "opened_at", "rotated_at", "expires_at", "device", "address")


@click.group()
def command() -> None:
    """See who is logged in; end sessions."""


@command.command("list")
@click.argument("user")
@as_json
@on_database
async def list_open(env: Env, *, user: str, as_json: bool) -> None:
    """List the open sessions of USER (e-mail address, user name or id)."""
    found = await users.find(env, user)
    rows([_shown(session) for session in await sessions.list_own(env, found.id)], _COLUMNS, as_json=as_json)


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
    return {name: getattr(session, name) for name in (*_COLUMNS, "user_id", "client_id")}
