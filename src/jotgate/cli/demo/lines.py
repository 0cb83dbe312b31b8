"""The curl lines of the demonstration: each works when pasted after the ones before it, and says what it answers.

They need curl and python3, and work in sh, bash and zsh.
"""

from dataclasses import dataclass, field

from jotgate.core.policy import Policy

MANAGER = "ada@example.com"
MEMBER = "bob@example.com"
ROLES = {"manager": ("members:*", "payments:read"), "member": ("members:read",)}
PEOPLE = {MANAGER: ("Ada", "manager"), MEMBER: ("Bob", "member")}


@dataclass(frozen=True, slots=True)
class Stage:
    """Where things are, and the passwords that were made up."""

    policy: Policy
    members: str
    payments: str
    passwords: dict[str, str] = field(repr=False)
    attendance: str = ""  # a service that calls another one; only the gym has it

    @property
    def auth(self) -> str:
        """The URL that login, refresh and logout lie below."""
        return self.policy.issuer + self.policy.prefix

    @property
    def token_names(self) -> tuple[str, str]:
        """What the answer calls access and refresh token."""
        return ("token", "refreshToken") if self.policy.response_names == "camel" else ("access_token", "refresh_token")


@dataclass(frozen=True, slots=True)
class Line:
    """One line to paste; `answers` is the status that its curl prints last, if it prints one."""

    says: str
    command: str
    answers: int | None = None


_FIELD = """field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }"""


def lines(stage: Stage) -> tuple[Line, ...]:
    """From log-in to log-out."""
    return (
        Line("takes one field out of a JSON answer", _FIELD),
        *_log_in(stage, "ADA", MANAGER),
        Line("the manager may list the members", _get(stage.members, "ADA"), 200),
        Line("and see the payments", _get(stage.payments, "ADA"), 200),
        *_log_in(stage, "BOB", MEMBER),
        Line("a member may list the members", _get(stage.members, "BOB"), 200),
        Line("but not see the payments", _get(stage.payments, "BOB"), 403),
        *_attendance(stage),
        Line("without a token: nobody", f"{_CURL} {stage.payments}", 401),
        Line(
            "with a tampered token: nobody",
            f'{_CURL} {stage.payments} -H "Authorization: Bearer ${{ADA%?????}}AAAAA"',
            401,
        ),
        *(_rotation(stage) if stage.policy.refresh else ()),
        *(_logout(stage) if stage.policy.logout else ()),
    )


def text(stage: Stage) -> str:
    """All lines, each below what it says."""
    return "\n".join(
        f"# {line.says}{f' -> {line.answers}' if line.answers else ''}\n{line.command}\n" for line in lines(stage)
    )


_CURL = "curl -sS -w ' %{http_code}\\n'"
_JSON = "-H 'Content-Type: application/json'"


def _log_in(stage: Stage, name: str, email: str) -> tuple[Line, ...]:
    kind = "email" if "email" in stage.policy.login_identifiers else "username"
    identifier = email if kind == "email" else email.partition("@")[0]
    body = f'{{"{kind}": "{identifier}", "password": "{stage.passwords[email]}"}}'
    return (
        Line(f"{identifier} logs in", f"{name}_LOGIN=$(curl -sS {stage.auth}/login {_JSON} -d '{body}')"),
        _pick("the access token", name, answer=f"{name}_LOGIN", member=stage.token_names[0]),
    )


def _attendance(stage: Stage) -> tuple[Line, ...]:
    if not stage.attendance:
        return ()
    return (
        Line("attendance asks the members service in the member's own name", _get(stage.attendance, "BOB"), 200),
        Line("and nobody without a token", f"{_CURL} {stage.attendance}", 401),
    )


def _rotation(stage: Stage) -> tuple[Line, ...]:
    return (
        _pick("the refresh token", "FIRST", answer="ADA_LOGIN", member=stage.token_names[1]),
        Line("a refresh gives new tokens", f"SECOND=$({_refresh(stage, '$FIRST')} | field {stage.token_names[1]})"),
        Line("and so does the next one", f"{_refresh(stage, '$SECOND', show=True)}", 200),
        Line(
            "an old refresh token that comes back was stolen: its session is closed",
            _refresh(stage, "$FIRST", show=True),
            401,
        ),
        Line("within a second its access token is refused everywhere", f"sleep 1; {_get(stage.members, 'ADA')}", 401),
    )


def _logout(stage: Stage) -> tuple[Line, ...]:
    return (
        *_log_in(stage, "ADA", MANAGER),
        Line("logged in again", _get(stage.payments, "ADA"), 200),
        Line("log out", f'{_CURL} -X POST {stage.auth}/logout -H "Authorization: Bearer $ADA"', 204),
        Line(
            "within a second the access token is refused by the one service",
            f"sleep 1; {_get(stage.members, 'ADA')}",
            401,
        ),
        *([Line("and by the next one", _get(stage.attendance, "ADA"), 401)] if stage.attendance else ()),
        Line("and by the other", _get(stage.payments, "ADA"), 401),
    )


def _get(url: str, name: str) -> str:
    return f'{_CURL} {url} -H "Authorization: Bearer ${name}"'


def _pick(says: str, name: str, *, answer: str, member: str) -> Line:
    return Line(says, f'{name}=$(printf %s "${answer}" | field {member})')


def _refresh(stage: Stage, token: str, *, show: bool = False) -> str:
    return f'{_CURL if show else "curl -sS"} {stage.auth}/refresh {_JSON} -d "{{\\"refresh_token\\": \\"{token}\\"}}"'
