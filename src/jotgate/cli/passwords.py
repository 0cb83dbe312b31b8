"""Passwords on the command line: from a prompt, from standard input, or made up; never from an argument."""

import secrets
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
GENERATED_BYTES = 15  # 120 bits, 20 characters


def password_options(command: _Command) -> _Command:
    """The two options beside the prompt."""
    from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    made_up = click.option("--generate-password", is_flag=True, help="Make one up and print it.")
    return from_stdin(made_up(command))


def ask(*, password_stdin: bool, generate_password: bool) -> str:
    """The new password. Raises a usage error where there is no way to get one."""
    if password_stdin and generate_password:
        raise click.UsageError("Give --password-stdin or --generate-password, not both.")
    if generate_password:
        return secrets.token_urlsafe(GENERATED_BYTES)
    if password_stdin:
        return _from_stdin()
    if not sys.stdin.isatty():
        raise click.UsageError(
            "There is no terminal to ask for a password: use --password-stdin or --generate-password."
        )
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _from_stdin() -> str:
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise click.UsageError("The password on standard input is not UTF-8 text.") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise click.UsageError("There is no password on standard input.")
    return password
