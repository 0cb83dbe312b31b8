"""The pace of health and refreshes, idle and beside a login storm; 99 of 100 answers count."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.live.people import PASSWORD, network, settle
from tests.live.process import Server
from tests.live.storm import Seen, Storm
from tests.live.talk import Line

CLIENTS, SECONDS = 64, 5.0
PACE_SECONDS, REFUSED_SECONDS = 0.05, 0.1


@dataclass
class Pace:
    """99 of 100 answers came within so many seconds."""

    health: float
    refresh: float


def tried(servers: Sequence[Server], attempts: int) -> Iterator[tuple[Pace, Pace, Seen]]:
    """Idle, stormy, and what the storm saw; again, at most `attempts` times, until `kept`."""
    emails = settle(servers[0], [f"user-{number}" for number in range(CLIENTS)])
    with servers[0].api() as api:
        token = api.login(emails[0], PASSWORD)["refresh_token"]
    for _ in range(attempts):
        idle, token = asyncio.run(_pace(servers[-1].port, token, seconds=2.0))
        with storm(servers, emails, [network(number) for number in range(CLIENTS)]) as seen:
            stormy, token = asyncio.run(_pace(servers[-1].port, token, seconds=SECONDS - 1))
        print(f"\nidle {idle}\nstorm {stormy}\n{_told(seen)}")
        yield idle, stormy, seen
        if kept(idle, stormy, seen):
            return


def kept(idle: Pace, stormy: Pace, seen: Seen) -> bool:
    """Everything else kept its pace, and who was turned away was told at once."""
    pace = all(getattr(stormy, what) <= max(PACE_SECONDS, 2 * getattr(idle, what)) for what in ("health", "refresh"))
    return pace and _p99(seen.refused_seconds) <= REFUSED_SECONDS


def _told(seen: Seen) -> str:
    refused = seen.refused_seconds
    return (
        f"{seen.admitted} admitted, {len(refused)} refused with p99 {_p99(refused) * 1000:.1f} ms,"
        f" {seen.throttled} throttled"
    )


@contextmanager
def storm(servers: Sequence[Server], emails: list[str], networks: list[str]) -> Iterator[Seen]:
    """A storm for the time of the block and a little longer; what it saw is there afterwards."""
    order = Storm([server.port for server in servers], emails, networks, PASSWORD, SECONDS)
    seen = Seen()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.live.storm"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    )
    outputs: list[str] = []
    reader = threading.Thread(target=lambda: outputs.append(process.communicate(json.dumps(asdict(order)), 60)[0]))
    reader.start()
    time.sleep(0.5)  # until it has started
    try:
        yield seen
    finally:
        reader.join()
    assert process.returncode == 0
    seen.__dict__.update(json.loads(outputs[0]))


async def _pace(port: int, token: str, *, seconds: float) -> tuple[Pace, str]:
    """The pace of `/healthz` and of one session's refreshes, and the session's newest token."""
    until = time.monotonic() + seconds
    health, refresh = Line(port), Line(port)
    healthy: list[float] = []
    refreshed: list[float] = []

    async def check_health() -> None:
        while time.monotonic() < until:
            started = time.monotonic()
            assert (await health.request("GET", "/healthz")).status == 200
            healthy.append(time.monotonic() - started)
            await asyncio.sleep(0.005)

    async def keep_refreshing() -> str:
        newest = token
        while time.monotonic() < until:
            started = time.monotonic()
            answer = await refresh.post("/auth/refresh", {"refresh_token": newest})
            refreshed.append(time.monotonic() - started)
            assert answer.status == 200, answer
            newest = answer.json["refresh_token"]
            await asyncio.sleep(0.005)
        return newest

    _, newest = await asyncio.gather(check_health(), keep_refreshing())
    await asyncio.gather(health.close(), refresh.close())
    return Pace(_p99(healthy), _p99(refreshed)), newest


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]
