"""`jotgate`: the table of commands, and the one place where errors become exit codes.

    exit code    when
    ---------    ------------------------------------------------
    0            done, or stopped as asked
    1            failed: what was asked for could not be done
    2            usage: wrong arguments or settings

Commands are imported when they are called, so that `jotgate --help` costs click and nothing more.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import IO, Any

import click

from jotgate.errors import JotgateError, SettingsError

COMMANDS: Mapping[str, str] = {
    "serve": "Run the issuer.",
    "user": "Add, list, change and remove users.",
    "role": "Roles: names for sets of permissions.",
    "session": "See who is logged in; end sessions.",
    "key": "Signing keys: list, rotate, revoke.",
    "secret": "Rotate the master secret.",
    "token": "Inspect, verify and mint access tokens.",
    "migrate": "Bring the database up to this version; move it to another one.",
    "doctor": "Say what is wrong here and what to do about it.",
    "backup": "Copy the database while it is in use.",
    "restore": "Put a backup in the place of the database.",
}


class _Failed(click.ClickException):
    """One sentence on standard error."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"jotgate: {self.message}", file=file, err=True)


class _WrongSettings(_Failed):
    """As bad as wrong arguments."""

    exit_code = 2


class _Commands(click.Group):
    """Knows its commands from the table; their modules wait until they are called."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            complaints = "\n".join(f"  {complaint}" for complaint in error.complaints)
            raise _WrongSettings(f"wrong settings:\n{complaints}") from None
        except JotgateError as error:
            raise _Failed(error.detail or error.description) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"jotgate.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's signature
    if not asked:
        return
    metadata = import_module("importlib.metadata")
    click.echo(f"jotgate {metadata.version('jotgate')}")
    ctx.exit()


@click.group(cls=_Commands, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def root() -> None:
    """Login, tokens and permissions for Python services.

    Settings come from JOTGATE_* variables and from jotgate.toml; with none of them, `jotgate serve` just starts.
    """


def main() -> None:
    """The command `jotgate`."""
    root(prog_name="jotgate")
