"""One refresh token used by 64 connections at once, spread over three nodes: one successor, whoever is asked.

JOTGATE_TEST_ROUNDS says how many rounds (10).
"""

import asyncio
import os
from collections.abc import Iterator
from itertools import cycle, islice

import pytest

from tests.live.nodes import installation
from tests.live.people import PASSWORD, settle
from tests.live.process import Server
from tests.live.talk import Answer, Line
from tests.servers import valkey

AT_ONCE = 64
ROUNDS = int(os.environ.get("JOTGATE_TEST_ROUNDS", "10"))


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, ...]]:
    """Three, on one PostgreSQL and one Valkey."""
    with installation(tmp_path_factory.mktemp("nodes"), REDIS_URL=valkey.server_url()) as nodes:
        yield nodes


def test_64_uses_at_once_over_three_nodes_get_one_successor_each_round(nodes: tuple[Server, ...]) -> None:
    (email,) = settle(nodes[0], ["ada"])
    with nodes[0].api() as api:
        token = api.login(email, PASSWORD)["refresh_token"]

    used = asyncio.run(_rounds(nodes, token))

    assert len(set(used)) == ROUNDS + 1


def test_a_token_that_was_rotated_twice_closes_the_session_at_all_nodes_once(nodes: tuple[Server, ...]) -> None:
    (email,) = settle(nodes[1], ["bob"])
    with nodes[1].api() as api:
        first = api.login(email, PASSWORD)["refresh_token"]
        second = api.post("/auth/refresh", {"refresh_token": first}).json["refresh_token"]
        third = api.post("/auth/refresh", {"refresh_token": second}).json["refresh_token"]

    replays = asyncio.run(_at_once(nodes, first))
    after = asyncio.run(_at_once(nodes, third))

    assert {answer.status for answer in [*replays, *after]} == {401}
    assert sum(answer.json["code"] == "refresh_replayed" for answer in replays) >= 1
    assert {answer.json["code"] for answer in after} == {"refresh_invalid"}


async def _rounds(nodes: tuple[Server, ...], token: str) -> list[str]:
    """All tokens, in their order; each round begins with the successor that the last one gave."""
    used = [token]
    lines = _lines(nodes)
    try:
        for number in range(ROUNDS):
            answers = await _asked(lines, used[-1])
            assert [answer.status for answer in answers] == [200] * AT_ONCE, (number, answers)
            (successor,) = {answer.json["refresh_token"] for answer in answers}
            used.append(successor)
    finally:
        await asyncio.gather(*(line.close() for line in lines))
    return used


async def _at_once(nodes: tuple[Server, ...], token: str) -> list[Answer]:
    lines = _lines(nodes)
    try:
        return await _asked(lines, token)
    finally:
        await asyncio.gather(*(line.close() for line in lines))


def _lines(nodes: tuple[Server, ...]) -> list[Line]:
    return [Line(node.port) for node in islice(cycle(nodes), AT_ONCE)]


async def _asked(lines: list[Line], token: str) -> list[Answer]:
    return await asyncio.gather(*(line.post("/auth/refresh", {"refresh_token": token}) for line in lines))
