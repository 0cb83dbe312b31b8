"""`python -m tests.live.storm`: many clients that log in again and again; a process of its own.

A `Storm` as JSON comes on standard input, what was seen goes to standard output. A client that is turned away tries
again after a moment, far sooner than `Retry-After` asks.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

from tests.live.talk import Line


@dataclass
class Storm:
    """One client for each of `emails`; its address is in `networks`, its server the next one of `ports`."""

    ports: list[int]
    emails: list[str]
    networks: list[str]
    password: str
    seconds: float
    pause: float = 0.03


@dataclass
class Seen:
    """What the clients were told."""

    admitted: int = 0
    throttled: int = 0
    refused_seconds: list[float] = field(default_factory=list)  # of each 503
    without_retry_after: int = 0
    others: list[int] = field(default_factory=list)


async def rage(storm: Storm) -> Seen:
    """All clients, until the time is up."""
    seen = Seen()
    until = time.monotonic() + storm.seconds
    clients = [_client(storm, number, seen, until=until) for number in range(len(storm.emails))]
    await asyncio.gather(*clients)
    return seen


async def _client(storm: Storm, number: int, seen: Seen, *, until: float) -> None:
    line = Line(storm.ports[number % len(storm.ports)])
    body = {"email": storm.emails[number], "password": storm.password}
    headers = {"X-Forwarded-For": storm.networks[number]}
    try:
        while time.monotonic() < until:
            started = time.monotonic()
            answer = await line.post("/auth/login", body, headers=headers)
            match answer.status:
                case 200:
                    seen.admitted += 1
                case 503:
                    seen.refused_seconds.append(time.monotonic() - started)
                    seen.without_retry_after += "retry-after" not in answer.headers
                    await asyncio.sleep(storm.pause)
                case 429:
                    seen.throttled += 1
                    await asyncio.sleep(storm.pause)
                case other:
                    seen.others.append(other)
    finally:
        await line.close()


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(rage(Storm(**json.load(sys.stdin)))))))
