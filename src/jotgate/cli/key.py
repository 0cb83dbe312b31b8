"""`jotgate key`: the keys that sign. A server makes and retires them by itself; this is for emergencies."""

import click

from jotgate.cli.options import ACTOR, as_json, on_database
from jotgate.cli.output import rows
from jotgate.core.model import StoredKey
from jotgate.flows import keys
from jotgate.flows.env import Env

_COLUMNS = ("kid", "alg", "state", "created_at", "signing_at", "retiring_at")


@click.group()
def command() -> None:
    """Signing keys: list, rotate, revoke."""


@command.command("list")
@as_json
@on_database
async def list_all(env: Env, *, as_json: bool) -> None:
    """List the keys that are published: next, signing and retiring."""
    rows([_shown(key) for key in await keys.list_all(env)], _COLUMNS, as_json=as_json)


@command.command()
@click.option(
    "--at-once", is_flag=True, help="Even if the next key was published less than an hour ago: guards fetch it then."
)
@on_database
async def rotate(env: Env, *, at_once: bool) -> None:
    """Let the next key sign from now on; tokens of the one before stay good until they expire."""
    kid = await keys.rotate(env, at_once=at_once, actor=ACTOR)
    click.echo(f"The key {kid} signs from now on.")


@command.command()
@click.argument("kid")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_database
async def revoke(env: Env, *, kid: str, yes: bool) -> None:
    """Refuse everything that the key KID has signed, everywhere, within a second: it was stolen."""
    if not yes:
        click.confirm("Every access token of this key dies at once, and users refresh. Go on?", abort=True)
    await keys.revoke(env, kid, actor=ACTOR)
    click.echo(f"The key {kid} is revoked.")


def _shown(key: StoredKey) -> dict[str, object]:
    seen = {
        name: getattr(key, name) for name in ("kid", "alg", "created_at", "published_at", "signing_at", "retiring_at")
    }
    return {**seen, "state": keys.state(key)}
