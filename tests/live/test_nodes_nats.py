"""Two nodes on one PostgreSQL and NATS: guards hear of logouts from both, with NATS, without it, and while it goes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import pytest

from jotgate import Guard
from tests.guard.standin import StandIn, issuing, wait_for
from tests.live.endings import ROOT, ROOT_PASSWORD, acknowledged
from tests.live.fleet import Fleet, fleet
from tests.live.nodes import nodes_of
from tests.live.people import PASSWORD, settle
from tests.live.process import Server
from tests.live.talk import bearer
from tests.servers.nats import Nats, running_nats, server_url
from tests.servers.postgres import fresh_database

GUARDS = 4
WITHIN_SECONDS = 1.0
LOGOUTS = 4  # in each part


@pytest.fixture(scope="module")
def nats() -> Iterator[Nats]:
    with running_nats() as server:
        yield server


@contextmanager
def installation(home: Path, nats: Nats, **settings: str) -> Iterator[Sequence[Server]]:
    """Guards ask the first node over HTTP, and hear both over NATS."""
    nodes = nodes_of(home, 2, database=fresh_database(), each=(), NATS_URL=nats.url, **settings)
    try:
        for node in nodes:
            node.environment["JOTGATE_ISSUER"] = nodes[0].url
            node.start()
        yield nodes
    finally:
        for node in nodes:
            node.stop()


def until_live(issuer: str, nats: Nats) -> None:
    """Somebody who listens hears beats."""
    guard = Guard(issuer, feed=nats.url, revocation="push")
    try:
        wait_for(lambda: _live(guard))
    finally:
        guard.close()


def _live(guard: Guard) -> bool:
    courier = guard._courier
    assert courier is not None
    courier.look(now=time.monotonic())
    return courier._feed is not None and courier._feed.is_live


def logout(node: Server, email: str, guards: Fleet) -> float:
    """Seconds from the answer until the last guard refused the token."""
    with node.api() as api:
        pair = api.login(email, PASSWORD)
        guards.watch(pair["access_token"])
        refresh = {"refresh_token": pair["refresh_token"]}
        done_at = acknowledged(lambda: api.post("/auth/logout", refresh).status)
    return max(refusal.last_taken_at - done_at for refusal in guards.refusals())


@pytest.mark.alone
def test_a_logout_reaches_guards_within_a_second_whatever_becomes_of_nats(tmp_path: Path, nats: Nats) -> None:
    waits: dict[str, list[float]] = {}
    with installation(tmp_path, nats) as nodes, fleet(nodes[0].url, GUARDS, feed=nats.url) as guards:
        emails = iter(settle(nodes[0], [f"user-{number}" for number in range(3 * LOGOUTS)]))
        turns = cycle(nodes)
        until_live(nodes[0].url, nats)

        waits["with"] = [logout(next(turns), next(emails), guards) for _ in range(LOGOUTS)]
        nats.kill()
        waits["without"] = [logout(next(turns), next(emails), guards) for _ in range(LOGOUTS)]
        nats.start()
        waits["again"] = [logout(next(turns), next(emails), guards) for _ in range(LOGOUTS)]

    print({name: [f"{wait * 1000:.0f} ms" for wait in some] for name, some in waits.items()})
    assert sorted(wait for some in waits.values() for wait in some)[-2] <= WITHIN_SECONDS


def test_news_come_over_nats_alone_and_the_revocation_of_a_key_too(tmp_path: Path, nats: Nats) -> None:
    with installation(tmp_path, nats, ADMIN_EMAIL=ROOT, ADMIN_PASSWORD=ROOT_PASSWORD) as nodes:
        guard = Guard(nodes[0].url, feed=nats.url, max_staleness=2)
        ada, bob = settle(nodes[1], ["ada", "bob"])
        try:
            with nodes[1].api() as api:
                root = bearer(api.login(ROOT, ROOT_PASSWORD)["access_token"])
                pair, other = (api.login(email, PASSWORD) for email in (ada, bob))
                for one in (pair, other):
                    guard.verify(one["access_token"])
                wait_for(lambda: _live(guard))
                nodes[0].kill()  # there is nobody to ask

                assert api.post("/auth/logout", {"refresh_token": pair["refresh_token"]}).status == 204
                wait_for(lambda: _code(guard, pair["access_token"]) == "token_revoked")
                assert _code(guard, other["access_token"]) == "good"

                keys = api.get("/auth/admin/keys", headers=root).json["keys"]
                (signing,) = [key["kid"] for key in keys if key["state"] == "signing"]
                assert api.post(f"/auth/admin/keys/{signing}/revoke", headers=root).status in {200, 204}
                wait_for(lambda: _code(guard, other["access_token"]) == "token_revoked")

                nodes[0].start()  # whole again
                wait_for(lambda: _code(guard, api.login(bob, PASSWORD)["access_token"]) == "good")
                wait_for(lambda: _live(guard))
        finally:
            guard.close()


def _code(guard: Guard, token: str) -> str:
    try:
        guard.verify(token)
    except Exception as error:  # noqa: BLE001  # which one is the point
        return str(getattr(error, "code", error))
    return "good"


# --- a process that ends

ENDINGS = {
    "at the end of the program": "",
    "closed": "guard.close()",
    "in a child too": """
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
guard.verify(token)
until(lambda: guard.status().nats == "open")
""",
    "closed in a child, and in the parent": """
child = os.fork()
if child:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert guard.status().nats == "open"
    guard.close()
    sys.exit(code)
guard.verify(token)
until(lambda: guard.status().nats == "open")
gc.collect()
guard.close()
time.sleep(0.2)
gc.collect()
""",
    "while it connects": """
other = Guard(issuer, feed="nats://127.0.0.1:9", leeway=9)
other.verify(token)
""",
}
SCRIPT = """
import gc, logging, os, sys, time, warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
from jotgate import Guard
logging.basicConfig(level=logging.WARNING)
logging.getLogger("asyncio").setLevel(logging.ERROR)  # a busy machine is no complaint

def until(condition):
    while not condition():
        time.sleep(0.01)

issuer, nats, token = sys.argv[1:]
guard = Guard(issuer, feed=nats)
guard.verify(token)
until(lambda: guard.status().nats == "open")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_that_listens_ends_at_once_and_without_a_word(ending: str) -> None:
    with issuing(StandIn()) as issuer:
        done = subprocess.run(
            [
                *(sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT + ENDINGS[ending]),
                *(issuer.url, server_url(), issuer.token()),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
