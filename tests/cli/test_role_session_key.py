"""`jotgate role`, `session`, `key`, `secret`, `migrate`."""

import pytest

from jotgate import datadir
from tests.cli.terminal import Terminal


def test_roles_are_listed_with_what_they_give(people: Terminal) -> None:
    assert people.json("role", "list") == [
        {"name": "admin", "permissions": ["jotgate:admin"]},
        {"name": "manager", "permissions": ["members:*", "payments:read"]},
    ]


def test_set_replaces_what_a_role_gives(people: Terminal) -> None:
    people.done("role", "set", "manager", "payments:read")

    assert people.json("user", "show", "ada@example.com")["permissions"] == ["payments:read"]


def test_a_role_is_removed_from_everybody_after_asking(people: Terminal) -> None:
    people.failed("role", "remove", "manager", given="n\n")
    people.done("role", "remove", "manager", "--yes")

    assert people.json("user", "show", "ada@example.com")["roles"] == []


def test_the_role_that_administrates_stays(people: Terminal) -> None:
    people.failed("role", "remove", "admin", "--yes")
    people.failed("role", "set", "admin", "payments:read")


def test_an_unknown_role_cannot_be_removed(terminal: Terminal) -> None:
    assert "no such role" in terminal.failed("role", "remove", "cook", "--yes")


def test_nobody_is_logged_in_at_first(people: Terminal) -> None:
    assert people.json("session", "list", "ada@example.com") == []


def test_an_unknown_session_cannot_be_ended(people: Terminal) -> None:
    assert "no such session" in people.failed("session", "end", "0" * 32)


def test_a_session_or_a_user_is_named_not_both(people: Terminal) -> None:
    people.failed("session", "end", code=2)
    people.failed("session", "end", "0" * 32, "--user", "bob", code=2)


def test_ending_all_of_a_users_sessions_is_fine_without_any(people: Terminal) -> None:
    assert "have ended" in people.done("session", "end", "--user", "bob")


def test_two_keys_are_published_and_one_signs(terminal: Terminal) -> None:
    assert sorted(key["state"] for key in terminal.json("key", "list")) == ["next", "signing"]


def test_a_key_that_guards_may_not_know_does_not_sign(terminal: Terminal) -> None:
    assert "guards may not know the next key" in terminal.failed("key", "rotate")


def test_rotating_at_once_lets_the_next_key_sign(terminal: Terminal) -> None:
    before = {key["state"]: key["kid"] for key in terminal.json("key", "list")}

    terminal.done("key", "rotate", "--at-once")

    after = {key["kid"]: key["state"] for key in terminal.json("key", "list")}
    assert (after[before["next"]], after[before["signing"]]) == ("signing", "retiring")


def test_a_revoked_key_is_gone_and_another_signs(terminal: Terminal) -> None:
    stolen = next(key["kid"] for key in terminal.json("key", "list") if key["state"] == "signing")

    terminal.failed("key", "revoke", stolen, given="n\n")
    terminal.done("key", "revoke", stolen, "--yes")

    keys = {key["kid"]: key["state"] for key in terminal.json("key", "list")}
    assert stolen not in keys
    assert "signing" in keys.values()


@pytest.mark.parametrize(
    ("servers", "commands"), [({"ALGORITHM": "RS256"}, {}), ({"PROFILE": "classic"}, {}), ({}, {"PROFILE": "classic"})]
)
def test_a_command_with_other_settings_than_the_server_leaves_its_keys_alone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, servers: dict[str, str], commands: dict[str, str]
) -> None:
    def under(settings: dict[str, str]) -> None:
        for name in ("ALGORITHM", "PROFILE"):
            monkeypatch.delenv(f"JOTGATE_{name}", raising=False)
        for name, value in settings.items():
            monkeypatch.setenv(f"JOTGATE_{name}", value)

    under(servers)
    before = terminal.json("key", "list")

    under(commands)
    for command in ("user list", "key rotate --at-once", f"key revoke {before[0]['kid']} --yes", "role set clerk a:b"):
        terminal.run(*command.split())

    under(servers)
    assert terminal.json("key", "list") == before


def test_an_unknown_key_cannot_be_revoked(terminal: Terminal) -> None:
    assert "no such key" in terminal.failed("key", "revoke", "nonsense", "--yes")


def test_a_new_master_secret_opens_everything(people: Terminal) -> None:
    before = (people.data / datadir.MASTER).read_bytes()
    keys = people.json("key", "list")

    people.done("secret", "rotate")

    assert (people.data / datadir.MASTER).read_bytes() != before
    assert (people.data / datadir.MASTER_BEFORE).read_bytes() == before
    (people.data / datadir.MASTER_BEFORE).unlink()
    assert people.json("key", "list") == keys


def test_killed_between_the_secret_and_the_keys_the_next_start_opens_them(people: Terminal) -> None:
    keys = people.json("key", "list")

    datadir.renew_master(people.data)

    assert people.json("key", "list") == keys
    people.done("secret", "rotate")
    assert people.json("key", "list") == keys


def test_of_two_who_rotate_the_secret_at_once_one_is_refused(people: Terminal) -> None:
    before = (people.data / datadir.MASTER).read_bytes()

    with datadir.alone(people.data):
        assert "is being rotated" in people.failed("secret", "rotate")

    assert (people.data / datadir.MASTER).read_bytes() == before
    people.done("secret", "rotate")
    assert people.json("key", "list")


def test_migrating_twice_is_fine(terminal: Terminal) -> None:
    first, second = terminal.done("migrate"), terminal.done("migrate")

    assert "taken" in first
    assert "up to date" in second
