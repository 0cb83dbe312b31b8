"""`jotgate token`."""

from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.live.people import PASSWORD, settle
from tests.live.process import serving


@pytest.fixture
def token(people: Terminal) -> str:
    return people.done("token", "mint", "--email", "ada@example.com").strip()


def test_a_minted_token_says_who_and_what(people: Terminal, token: str) -> None:
    claims = people.json("token", "verify", given=token)

    assert (claims["roles"], claims["scope"]) == (["manager"], "members:* payments:read")
    assert claims["exp"] - claims["iat"] == 300
    assert "sid" not in claims


def test_a_minted_token_can_be_for_a_machine_with_a_role(people: Terminal) -> None:
    token = people.done("token", "mint", "--sub", "nightly-report", "--role", "manager", "--ttl", "60")

    claims = people.json("token", "verify", given=token)

    assert (claims["sub"], claims["scope"]) == ("nightly-report", "members:* payments:read")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ((), 2, "Give --email or --sub"),
        (("--sub", "x", "--email", "ada@example.com"), 2, "Give --email or --sub"),
        (("--email", "nobody@example.com"), 1, "no such user"),
        (("--sub", "x", "--ttl", "901"), 1, "--ttl is at most JOTGATE_ACCESS_TTL, 900 s"),
        (("--sub", "x", "--ttl", "0"), 2, "--ttl"),
        (("--sub", "x", "--audience", "elsewhere"), 1, "does not serve the audience elsewhere"),
    ],
)
def test_wrong_errands(people: Terminal, arguments: tuple[str, ...], code: int, complaint: str) -> None:
    assert complaint in people.failed("token", "mint", *arguments, code=code)


def test_a_token_lives_as_long_as_access_tokens_at_most(people: Terminal) -> None:
    people.done("token", "mint", "--sub", "x", "--ttl", "900")


def test_inspecting_says_that_it_verifies_nothing(people: Terminal, token: str) -> None:
    forged = token[:-5] + "AAAAA"

    result = people.run("token", "inspect", given=forged)

    assert result.exit_code == 0
    assert "NOT VERIFIED" in result.stderr
    assert people.json("token", "inspect", given=forged)["verified"] is False


@pytest.mark.parametrize("text", ["", "nonsense", "a.b", "a.b.c", "e30.e30.x.y"])
def test_inspecting_what_is_no_token(people: Terminal, text: str) -> None:
    assert people.run("token", "inspect", given=text).exit_code in {1, 2}


def test_a_forged_token_is_refused(people: Terminal, token: str) -> None:
    assert "signature_invalid" in people.failed("token", "verify", given=token[:-5] + "AAAAA")


def test_a_token_for_another_audience_is_refused(people: Terminal, token: str) -> None:
    assert "audience_mismatch" in people.failed("token", "verify", "--audience", "elsewhere", given=token)


def test_a_server_started_with_a_flag_and_its_commands_have_one_issuer(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.api() as api:
        (email,) = settle(server, ["ada"])
        token = api.login(email, PASSWORD)["access_token"]
        del server.environment["JOTGATE_PORT"]

        verified = server.cli("token", "verify", given=token)
        as_a_service = server.cli("token", "verify", "--issuer", server.url, given=token)
        server.cli("session", "end", "--user", email)

        assert server.url in verified
        assert server.url in as_a_service
        with pytest.raises(AssertionError, match="token_revoked"):
            server.cli("token", "verify", given=token)
