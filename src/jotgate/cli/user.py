"""`jotgate user`: who may log in. A USER is an e-mail address, a user name or an id."""

from dataclasses import asdict

import click

from jotgate.cli.options import ACTOR, as_json, on_database
from jotgate.cli.output import facts, rows
from jotgate.cli.passwords import ask, password_options
from jotgate.core.model import User
from jotgate.flows import roles as roles_flow
from jotgate.flows import sessions as sessions_flow
from jotgate.flows import users
from jotgate.flows.env import Env

_COLUMNS = ("id", "email", "username", "name", "roles", "created_at", "disabled_at")
_PAGE = 1000

the_user = click.argument("user")


@click.group()
def command() -> None:
    """Add, list, change and remove users. A USER is an e-mail address, a user name or an id."""


@command.command()
@click.option("--email", help="E-mail address.")
@click.option("--username", help="User name.")
@click.option("--name", help="Name to be shown.")
@click.option("--role", "roles", multiple=True, help="A role; may be repeated.")
@password_options
@on_database
async def add(
    env: Env,
    *,
    email: str | None,
    username: str | None,
    name: str | None,
    roles: tuple[str, ...],
    password_stdin: bool,
    generate_password: bool,
) -> None:
    """Add a user."""
    if email is None and username is None:
        raise click.UsageError("Give --email, --username, or both.")
    password = ask(password_stdin=password_stdin, generate_password=generate_password)
    user = await users.add(env, email=email, username=username, name=name, password=password, roles=roles, actor=ACTOR)
    click.echo(f"Added {_called(user)}, id {user.id}.")
    _print_generated(password, made_up=generate_password)
    await _mention_empty_roles(env, user)


@command.command("list")
@as_json
@on_database
async def list_all(env: Env, *, as_json: bool) -> None:
    """List all users."""
    found: list[User] = []
    while page := await users.page(env, after=found[-1].id if found else "", limit=_PAGE):
        found += page
    rows([_shown(user) for user in found], _COLUMNS, as_json=as_json)


@command.command()
@the_user
@as_json
@on_database
async def show(env: Env, *, user: str, as_json: bool) -> None:
    """Show a user and the sessions that are open."""
    found = await users.find(env, user)
    table = {role.name: role.permissions for role in await roles_flow.list_all(env)}
    permissions = sorted({permission for role in found.roles for permission in table.get(role, ())})
    open_sessions = await sessions_flow.list_own(env, found.id)
    facts({**_shown(found), "permissions": permissions, "sessions": len(open_sessions)}, as_json=as_json)


@command.command()
@the_user
@password_options
@on_database
async def password(env: Env, *, user: str, password_stdin: bool, generate_password: bool) -> None:
    """Set a new password; all sessions of the user end."""
    found = await users.find(env, user)
    new = ask(password_stdin=password_stdin, generate_password=generate_password)
    await users.reset_password(env, found.id, new, actor=ACTOR)
    click.echo(f"{_called(found)} has a new password; all sessions have ended.")
    _print_generated(new, made_up=generate_password)


@command.command()
@the_user
@click.argument("roles", nargs=-1)
@click.option("--add", "added", multiple=True, metavar="ROLE", help="Add this role; may be repeated.")
@click.option("--take", "taken", multiple=True, metavar="ROLE", help="Take this role away; may be repeated.")
@click.option("--none", is_flag=True, help="Take all roles away.")
@on_database
async def role(
    env: Env, *, user: str, roles: tuple[str, ...], added: tuple[str, ...], taken: tuple[str, ...], none: bool
) -> None:
    """Give the user exactly these ROLES, or add and take single ones. Sessions live on."""
    if sum(map(bool, (roles, added or taken, none))) != 1:
        raise click.UsageError("Give ROLES, or --add and --take, or --none.")
    found = await users.find(env, user)
    wanted = (set(found.roles) | set(added)) - set(taken) if added or taken else roles
    changed = await users.set_roles(env, found.id, wanted, actor=ACTOR)
    click.echo(f"{_called(changed)} has {'the roles ' + ' '.join(changed.roles) if changed.roles else 'no role'}.")
    await _mention_empty_roles(env, changed)


@command.command()
@the_user
@on_database
async def disable(env: Env, *, user: str) -> None:
    """No login, no refresh, no access token from now on."""
    found = await users.find(env, user)
    await users.disable(env, found.id, actor=ACTOR)
    click.echo(f"{_called(found)} is disabled; all sessions have ended.")


@command.command()
@the_user
@on_database
async def enable(env: Env, *, user: str) -> None:
    """The user may log in again."""
    found = await users.find(env, user)
    await users.enable(env, found.id, actor=ACTOR)
    click.echo(f"{_called(found)} may log in again.")


@command.command()
@the_user
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_database
async def remove(env: Env, *, user: str, yes: bool) -> None:
    """Remove the user with everything that is theirs."""
    found = await users.find(env, user)
    if not yes:
        click.confirm(f"Remove {_called(found)} for good?", abort=True)
    await users.remove(env, found.id, actor=ACTOR)
    click.echo(f"{_called(found)} is removed.")


def _shown(user: User) -> dict[str, object]:
    return {name: value for name, value in asdict(user).items() if name in _COLUMNS}


def _called(user: User) -> str:
    return user.email or user.username or user.id


def _print_generated(password: str, *, made_up: bool) -> None:
    if made_up:
        click.echo(f"Password: {password}")


async def _mention_empty_roles(env: Env, user: User) -> None:
    known = {role.name for role in await roles_flow.list_all(env) if role.permissions}
    for name in sorted(set(user.roles) - known):
        click.echo(f"Note: the role {name} gives no permissions yet; see `jotgate role set --help`.", err=True)
