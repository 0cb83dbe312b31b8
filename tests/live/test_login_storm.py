"""A login storm far beyond what can be hashed: everything else keeps its pace, who is turned away is told at once."""

import time
from pathlib import Path

import pytest

from tests.live.nodes import installation
from tests.live.pace import CLIENTS, Pace, kept, storm, tried
from tests.live.people import PASSWORD, network, settle
from tests.live.process import serving
from tests.live.storm import Seen

ATTEMPTS = 3  # at measuring: the machine may be busy with something else


@pytest.mark.alone
def test_health_and_refresh_keep_their_pace_and_the_refused_are_told_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, TRUSTED_PROXIES="127.0.0.1") as server:
        tries = list(tried([server], ATTEMPTS))

    all_are_answered(tries)
    assert any(kept(*one) for one in tries)


@pytest.mark.alone
def test_three_nodes_on_one_database_keep_it_too(tmp_path: Path) -> None:
    with installation(tmp_path, 3) as nodes:
        tries = list(tried(nodes, ATTEMPTS))

    all_are_answered(tries)
    assert any(kept(*one) for one in tries)


def all_are_answered(tries: list[tuple[Pace, Pace, Seen]]) -> None:
    """Admitted, or turned away in order."""
    assert all(seen.admitted for _, _, seen in tries)
    assert not any(seen.others or seen.without_retry_after for _, _, seen in tries)
    assert all(seen.refused_seconds for _, _, seen in tries)


def test_one_network_leaves_three_quarters_of_the_places_to_others(tmp_path: Path) -> None:
    with serving(tmp_path, TRUSTED_PROXIES="127.0.0.1") as server:
        emails = settle(server, [f"user-{number}" for number in range(CLIENTS)])
        with storm([server], emails[1:], ["10.9.9.9"] * (CLIENTS - 1)) as seen, server.api() as api:
            time.sleep(1)
            others = [
                api.post(
                    "/auth/login", {"email": emails[0], "password": PASSWORD}, headers={"X-Forwarded-For": network(at)}
                ).status
                for at in range(20)
            ]

        assert others == [200] * 20
        assert seen.admitted
        assert seen.refused_seconds
