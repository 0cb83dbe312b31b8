"""`jotgate role`: what a role permits. A change counts for all who hold it, within a second."""

from dataclasses import asdict

import click

from jotgate.cli.options import ACTOR, as_json, on_database
from jotgate.cli.output import rows
from jotgate.flows import roles
from jotgate.flows.env import Env


@click.group()
def command() -> None:
    """Roles: names for sets of permissions."""


@command.command("list")
@as_json
@on_database
async def list_all(env: Env, *, as_json: bool) -> None:
    """List all roles and what they permit."""
    rows([asdict(role) for role in await roles.list_all(env)], ("name", "permissions"), as_json=as_json)


@command.command("set")
@click.argument("role")
@click.argument("permissions", nargs=-1)
@on_database
async def set_role(env: Env, *, role: str, permissions: tuple[str, ...]) -> None:
    """Let ROLE give exactly these PERMISSIONS, such as payments:read or members:*."""
    made = await roles.set_role(env, role, permissions, actor=ACTOR)
    click.echo(f"The role {made.name} gives {' '.join(made.permissions) or 'nothing'}.")


@command.command()
@click.argument("role")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_database
async def remove(env: Env, *, role: str, yes: bool) -> None:
    """Take ROLE from everybody and forget it."""
    if not yes:
        click.confirm(f"Take the role {role} from everybody?", abort=True)
    await roles.remove_role(env, role, actor=ACTOR)
    click.echo(f"The role {role} is removed.")
