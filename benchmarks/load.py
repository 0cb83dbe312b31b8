"""A load generator that is never the bottleneck: one asyncio process, raw sockets, keep-alive, closed loop.

Reads a `Job` as JSON from standard input, writes a `Result` to standard output. Each connection sends its own request
again as soon as the answer is there; one that refreshes sends the token that the last answer gave it.
"""

import asyncio
import sys
import time
from collections import Counter
from functools import partial
from typing import cast

import msgspec
import uvloop


class Job(msgspec.Struct):
    """What to send; `bodies` and `networks` have one entry a connection."""

    port: int
    path: str
    bodies: list[str]
    networks: list[str]
    seconds: float
    refreshing: bool = False


class Result(msgspec.Struct):
    """What came back; times in seconds."""

    seconds: float
    statuses: dict[int, int]
    latencies: list[float]  # of the answers 200
    cpu: float
    bodies: list[str]  # to go on with

    @property
    def rate(self) -> float:
        """Answers 200 a second."""
        return self.statuses.get(200, 0) / self.seconds


class Talk(asyncio.Protocol):
    """One connection: send, receive, send again until the time is up."""

    def __init__(self, job: Job, number: int, seen: "Seen") -> None:
        self.body = job.bodies[number].encode()
        self.refreshing = job.refreshing
        self.seen = seen
        self.head = (
            f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\nContent-Type: application/json\r\n"
            f"X-Forwarded-For: {job.networks[number]}\r\nContent-Length: "
        ).encode()
        self.buffer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one by shape, not by class
        self.send()

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(b"%b%d\r\n\r\n%b" % (self.head, len(self.body), self.body))

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        split = self.buffer.find(b"\r\n\r\n")
        if split < 0 or len(self.buffer) < split + 4 + content_length(self.buffer, split):
            return
        self.answered(int(self.buffer[9:12]), self.buffer[split + 4 :])

    def answered(self, status: int, body: bytes) -> None:
        now = time.perf_counter()
        self.buffer = b""
        self.seen.statuses[status] += 1
        if status == 200:
            self.seen.latencies.append(now - self.sent_at)
            if self.refreshing:
                self.body = b'{"refresh_token":"%b"}' % successor(body)
        if now < self.seen.until:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Seen:
    """What all connections count together."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []


def content_length(head: bytes, end: int) -> int:
    """The length that the answer's head announces."""
    at = head.lower().find(b"\r\ncontent-length:", 0, end) + 17
    return int(head[at : head.find(b"\r\n", at)])


def successor(body: bytes) -> bytes:
    """The refresh token in a token answer, found without parsing JSON."""
    at = body.index(b'"refresh_token":') + 16
    at = body.index(b'"', at) + 1
    return body[at : body.index(b'"', at)]


async def run(job: Job) -> Result:
    """Play the job to its end."""
    loop = asyncio.get_running_loop()
    started, cpu = time.perf_counter(), time.process_time()
    seen = Seen(started + job.seconds)
    talks = []
    for number in range(len(job.bodies)):
        _, talk = await loop.create_connection(partial(Talk, job, number, seen), "127.0.0.1", job.port)
        talks.append(talk)
    await asyncio.gather(*(talk.done for talk in talks))
    return Result(
        time.perf_counter() - started,
        dict(seen.statuses),
        seen.latencies,
        time.process_time() - cpu,
        [talk.body.decode() for talk in talks],
    )


if __name__ == "__main__":
    result = uvloop.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(result))
    sys.stdout.buffer.flush()
