"""Twenty guards in as many processes: what ends a session reaches all of them, and no issuer is missed for long."""

import time
from pathlib import Path

import pytest

from tests.live.endings import ENDINGS, ROOT, ROOT_PASSWORD, acknowledged, administrator
from tests.live.fleet import Fleet, fleet
from tests.live.people import PASSWORD, settle
from tests.live.process import Server, serving

GUARDS = 20
ROUNDS = 3  # of each ending; `benchmarks/news.py` does 200 in all
WITHIN_SECONDS = 1.0
MAX_STALENESS = 2


@pytest.mark.alone
def test_the_end_of_a_session_reaches_twenty_guards_within_a_second(tmp_path: Path) -> None:
    waits: dict[str, list[float]] = {name: [] for name in ENDINGS}
    with (
        serving(tmp_path, ADMIN_EMAIL=ROOT, ADMIN_PASSWORD=ROOT_PASSWORD) as server,
        server.api() as api,
        fleet(server.url, GUARDS) as guards,
    ):
        server.cli("role", "set", "manager", "members:read")
        admin = administrator(api)
        for name, ending in ENDINGS.items():
            for email in settle(server, [f"{name}-{number}" for number in range(ROUNDS)]):
                token, request = ending.begin(api, email, admin)
                guards.watch(token)

                done_at = acknowledged(request)
                refusals = guards.refusals()

                assert {refusal.code for refusal in refusals} <= ending.codes
                waits[name].append(max(refusal.last_taken_at - done_at for refusal in refusals))

    print({name: [f"{wait * 1000:.1f} ms" for wait in some] for name, some in waits.items()})
    assert all(min(some) <= WITHIN_SECONDS for some in waits.values())
    assert sorted(wait for some in waits.values() for wait in some)[-2] <= WITHIN_SECONDS


def until_all(guards: Fleet, code: str, token: str) -> None:
    """All of them say this of the token, after a while."""
    deadline = time.monotonic() + 30
    while set(heard := guards.ask(token)) != {code}:
        assert time.monotonic() < deadline, heard
        time.sleep(0.05)


def are_good(guards: Fleet, *tokens: str) -> bool:
    return all(set(guards.ask(token)) == {"good"} for token in tokens)


def login(server: Server, email: str) -> dict[str, str]:
    with server.api() as api:
        pair: dict[str, str] = api.login(email, PASSWORD)
        return pair


def test_an_issuer_that_was_killed_is_missed_by_those_alone_who_were_told_to(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as server,
        fleet(server.url, 3) as serving_on,
        fleet(server.url, 3, on_stale="deny", max_staleness=MAX_STALENESS) as strict,
    ):
        ada, bob, eve = settle(server, ["ada", "bob", "eve"])
        seen, fresh, ended, disabled = (login(server, email) for email in (ada, ada, bob, eve))
        known = [pair["access_token"] for pair in (seen, ended, disabled)]
        assert are_good(serving_on, *known)
        assert are_good(strict, *known)

        server.kill()
        server.cli("user", "disable", eve)  # beside it, on the same data
        killed_at = time.monotonic()
        assert are_good(serving_on, *known, fresh["access_token"])
        until_all(strict, "news_stale", known[0])
        missed_after = time.monotonic() - killed_at
        assert set(strict.ask(fresh["access_token"])) == {"news_stale"}
        assert are_good(serving_on, *known, fresh["access_token"])
        assert {state for state, _ in serving_on.news()} == {"failing"}

        server.start()
        for guards in (serving_on, strict):
            until_all(guards, "token_revoked", disabled["access_token"])
            assert {state for state, _ in guards.news()} == {"open"}
            assert are_good(guards, seen["access_token"], fresh["access_token"])
        with server.api() as api:
            assert api.post("/auth/logout", {"refresh_token": ended["refresh_token"]}).status == 204
        for guards in (serving_on, strict):
            until_all(guards, "token_revoked", ended["access_token"])
            assert are_good(guards, seen["access_token"])

    assert missed_after < MAX_STALENESS + 5
