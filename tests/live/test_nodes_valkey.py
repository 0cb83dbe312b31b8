"""Three nodes on one PostgreSQL limit guesses together: with Valkey, without it, and while it comes and goes."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import pytest

from tests.live.nodes import installation
from tests.live.people import PASSWORD
from tests.live.process import Server
from tests.live.talk import bearer
from tests.servers.valkey import Valkey, running_valkey

Nodes = Sequence[Server]
FREE = 5  # failures of one account from one network
READY_SECONDS = 10.0


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Iterator[Nodes]:
    with installation(tmp_path_factory.mktemp("nodes"), 3, REDIS_URL=valkey.url) as started:
        yield started


@pytest.fixture(scope="module")
def nodes_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with installation(tmp_path_factory.mktemp("alone"), 3) as started:
        yield started


@pytest.fixture(params=["nodes", "nodes_alone"])
def any_nodes(request: pytest.FixtureRequest) -> Nodes:
    found: Nodes = request.getfixturevalue(request.param)
    return found


def login(node: Server, email: str, password: str) -> int:
    with node.api() as api:
        return api.post("/auth/login", {"email": email, "password": password}).status


def at_once(nodes: Nodes, email: str, passwords: Sequence[str]) -> list[int]:
    """Each try at the next node, all at the same time."""
    with ThreadPoolExecutor(len(passwords)) as pool:
        return list(pool.map(login, *zip(*zip(cycle(nodes), [email] * len(passwords), passwords), strict=True)))


def register(node: Server, email: str) -> None:
    with node.api() as api:
        api.register(email, PASSWORD)


def used_up(nodes: Nodes, email: str) -> None:
    """All failures that are free, each at the next node."""
    assert [login(node, email, "wrong") for _, node in zip(range(FREE), cycle(nodes), strict=False)] == [401] * FREE


def test_of_guesses_at_once_at_all_nodes_no_more_are_heard_than_at_one(any_nodes: Nodes) -> None:
    register(any_nodes[0], "ada@example.com")
    guesses = [f"wrong guess number {number}" for number in range(24)]

    heard = Counter(at_once(any_nodes, "ada@example.com", [*guesses, PASSWORD]))
    heard += Counter(at_once(any_nodes, "ada@example.com", guesses))

    assert heard[401] == FREE
    assert set(heard) <= {200, 401, 429, 503}
    assert [login(node, "ada@example.com", PASSWORD) for node in any_nodes] == [429] * 3


def test_any_number_of_right_logins_gets_in(any_nodes: Nodes) -> None:
    register(any_nodes[0], "bob@example.com")

    heard = [status for _ in range(6) for status in at_once(any_nodes, "bob@example.com", [PASSWORD] * 6)]

    assert heard == [200] * 36


def test_what_valkey_forgets_the_nodes_remember(nodes: Nodes, valkey: Valkey) -> None:
    register(nodes[0], "eve@example.com")
    used_up(nodes, "eve@example.com")

    valkey.flush()

    for _ in range(2):
        assert [login(node, "eve@example.com", PASSWORD) for node in nodes] == [429] * 3


def test_nodes_tell_each_other_by_valkey(nodes: Nodes, valkey: Valkey) -> None:
    register(nodes[0], "kim@example.com")
    with valkey.client() as client, client.pubsub() as ear, nodes[0].api() as api:
        (channel,) = valkey.ask("PUBSUB", "CHANNELS")
        assert valkey.ask("PUBSUB", "NUMSUB", channel) == [channel, 3]
        ear.subscribe(channel)
        tokens = api.login("kim@example.com", PASSWORD)

        api.post("/auth/logout", {}, headers=bearer(tokens["access_token"]))

        assert any((ear.get_message(timeout=READY_SECONDS) or {}).get("type") == "message" for _ in range(2))


def test_nobody_notices_whether_it_is_there(nodes: Nodes, valkey: Valkey) -> None:
    register(nodes[0], "joe@example.com")
    register(nodes[0], "sue@example.com")
    used_up(nodes, "joe@example.com")
    before = [node.log.read_text().count("Valkey is") for node in nodes]

    for begin, end in ((valkey.kill, valkey.start), (valkey.hang, valkey.go_on)):
        begin()
        assert [login(node, "joe@example.com", PASSWORD) for node in nodes] == [429] * 3
        assert at_once(nodes, "sue@example.com", [PASSWORD] * 6) == [200] * 6
        end()
        until_back(nodes)
        assert [login(node, "joe@example.com", PASSWORD) for node in nodes] == [429] * 3

    after = [node.log.read_text().count("Valkey is") for node in nodes]
    assert [later - earlier for earlier, later in zip(before, after, strict=True)] == [4] * 3


def until_back(nodes: Nodes) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while any(log.count("Valkey is away") != log.count("Valkey is back") for log in logs(nodes)):
        assert time.monotonic() < deadline, logs(nodes)
        time.sleep(0.02)


def logs(nodes: Nodes) -> list[str]:
    return [node.log.read_text() for node in nodes]
