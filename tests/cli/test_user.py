"""`jotgate user`."""

import pytest

from tests.cli.terminal import ADA_PASSWORD, Terminal


def test_nobody_is_listed_as_an_empty_list(terminal: Terminal) -> None:
    assert terminal.json("user", "list") == []


def test_users_are_listed(people: Terminal) -> None:
    ada, bob = people.json("user", "list")

    assert (ada["email"], ada["roles"], ada["disabled_at"]) == ("ada@example.com", ["manager"], None)
    assert (bob["username"], bob["name"], bob["email"]) == ("bob", "Bob", None)
    assert "password_hash" not in ada


def test_the_table_shows_the_same(people: Terminal) -> None:
    head, ada, bob = people.done("user", "list").splitlines()

    assert head.split() == ["ID", "EMAIL", "USERNAME", "NAME", "ROLES", "CREATED", "DISABLED"]
    assert "ada@example.com" in ada
    assert "Bob" in bob


@pytest.mark.parametrize("called", ["ada@example.com", "ADA@Example.COM", "id"])
def test_a_user_is_found_by_any_name(people: Terminal, called: str) -> None:
    user_id = people.json("user", "list")[0]["id"]

    shown = people.json("user", "show", user_id if called == "id" else called)

    assert (shown["id"], shown["permissions"], shown["sessions"]) == (user_id, ["members:*", "payments:read"], 0)


@pytest.mark.parametrize("command", ["show", "password", "role", "disable", "enable", "remove"])
def test_an_unknown_user_is_a_failure(terminal: Terminal, command: str) -> None:
    more = {"password": ["--generate-password"], "role": ["member"], "remove": ["--yes"]}.get(command, [])

    assert "no such user" in terminal.failed("user", command, "nobody@example.com", *more)


def test_a_generated_password_is_printed(terminal: Terminal) -> None:
    shown = terminal.done("user", "add", "--email", "a@example.com", "--generate-password")

    assert len(shown.splitlines()[-1].removeprefix("Password: ")) >= 20


def test_a_password_is_never_an_argument(terminal: Terminal) -> None:
    told = terminal.failed("user", "add", "--email", "a@example.com", "--password", ADA_PASSWORD, code=2)

    assert "No such option" in told


@pytest.mark.parametrize(
    ("arguments", "given", "complaint"),
    [
        ((), "", "Give --email, --username, or both."),
        (("--email", "a@example.com"), "", "There is no terminal to ask for a password"),
        (("--email", "a@example.com", "--password-stdin"), "", "There is no password on standard input"),
        (("--email", "a@example.com", "--password-stdin", "--generate-password"), "x", "not both"),
    ],
)
def test_wrong_usage_of_add(terminal: Terminal, arguments: tuple[str, ...], given: str, complaint: str) -> None:
    assert complaint in terminal.failed("user", "add", *arguments, given=given, code=2)
    assert terminal.json("user", "list") == []


@pytest.mark.parametrize(
    ("arguments", "given", "complaint"),
    [
        (("--email", "nonsense"), ADA_PASSWORD, "e-mail"),
        (("--email", "a@example.com"), "short", "12"),
        (("--email", "a@example.com", "--role", "no spaces here"), ADA_PASSWORD, "role"),
    ],
)
def test_what_is_not_acceptable_is_a_failure(
    terminal: Terminal, arguments: tuple[str, ...], given: str, complaint: str
) -> None:
    assert complaint in terminal.failed("user", "add", *arguments, "--password-stdin", given=given)
    assert terminal.json("user", "list") == []


def test_an_identifier_that_is_taken_is_a_failure(people: Terminal) -> None:
    told = people.failed("user", "add", "--email", "Ada@example.com", "--password-stdin", given=ADA_PASSWORD)

    assert "belongs to another user" in told


def test_a_role_without_permissions_is_noted(terminal: Terminal) -> None:
    result = terminal.run("user", "add", "--email", "a@example.com", "--role", "cook", "--generate-password")

    assert "the role cook gives no permissions yet" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "roles"),
    [
        (("cook", "waiter"), ["cook", "waiter"]),
        (("--add", "cook"), ["cook", "manager"]),
        (("--add", "cook", "--take", "manager"), ["cook"]),
        (("--take", "nothing-that-ada-has"), ["manager"]),
        (("--none",), []),
    ],
)
def test_roles_are_set_added_and_taken(people: Terminal, arguments: tuple[str, ...], roles: list[str]) -> None:
    people.done("user", "role", "ada@example.com", *arguments)

    assert people.json("user", "show", "ada@example.com")["roles"] == roles


@pytest.mark.parametrize("arguments", [(), ("cook", "--none"), ("cook", "--add", "waiter")])
def test_roles_are_asked_for_in_one_way(people: Terminal, arguments: tuple[str, ...]) -> None:
    people.failed("user", "role", "ada@example.com", *arguments, code=2)

    assert people.json("user", "show", "ada@example.com")["roles"] == ["manager"]


def test_disabled_and_enabled_again(people: Terminal) -> None:
    people.done("user", "disable", "bob")
    disabled = people.json("user", "show", "bob")["disabled_at"]
    people.done("user", "enable", "bob")

    assert disabled is not None
    assert people.json("user", "show", "bob")["disabled_at"] is None


def test_removing_asks_first(people: Terminal) -> None:
    people.failed("user", "remove", "bob", given="n\n")
    kept = len(people.json("user", "list"))
    people.done("user", "remove", "bob", given="y\n")

    assert (kept, len(people.json("user", "list"))) == (2, 1)


def test_a_new_password_by_standard_input_or_made_up(people: Terminal) -> None:
    people.done("user", "password", "bob", "--password-stdin", given="eleven brown badgers\n")

    assert "Password: " in people.done("user", "password", "bob", "--generate-password")


def test_what_users_wrote_does_not_steer_the_terminal(terminal: Terminal) -> None:
    made = terminal.run("user", "add", "--username", "eve", "--name", "Eve\x1b[2J", "--generate-password")

    assert made.exit_code == 1
    assert "\x1b" not in terminal.done("user", "list")
