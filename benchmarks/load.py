"""A load generator that is never the bottleneck: one asyncio process, raw sockets, keep-alive, closed loop.

Reads a `Job` as JSON from standard input, writes a `Result` to standard output. Each connection sends its own request
again as soon as the answer is there; one that refreshes sends the token that the last answer gave it. Where a server
hangs up after an answer, the next request opens a new connection, and its time counts.
"""

import asyncio
import sys
import time
from collections import Counter
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
    tokens: list[str] = []  # instead of `bodies`, one a connection: what TOKEN stands for
    template: str = '{"refresh_token":"TOKEN"}'
    content_type: str = "application/json"
    headers: str = ""  # more lines, each ending in CRLF; TOKEN stands for the token there too
    field: str = "refresh_token"  # where an answer has the next token
    deck: list[str] = []  # instead of both: what TOKEN stands for, each once; who asks next takes the next one


class Result(msgspec.Struct):
    """What came back; times in seconds."""

    seconds: float
    statuses: dict[int, int]
    latencies: list[float]  # of the answers 200
    cpu: float
    bodies: list[str]  # to go on with
    tokens: list[str] = []

    @property
    def rate(self) -> float:
        """Answers 200 a second."""
        return self.statuses.get(200, 0) / self.seconds


class Talk(asyncio.Protocol):
    """One conversation: send, receive, send again until the time is up."""

    def __init__(self, job: Job, number: int, seen: "Seen") -> None:
        self.job = job
        self.seen = seen
        self.head = (
            f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\nContent-Type: {job.content_type}\r\n"
            f"X-Forwarded-For: {job.networks[number]}\r\n{job.headers}Content-Length: "
        ).encode()
        self.template, self.field = job.template.encode(), f'"{job.field}":'.encode()
        self.token, self.body = b"", b""
        if job.deck:
            self.deal()
        elif job.tokens:
            self.carry(job.tokens[number].encode())
        else:
            self.body = job.bodies[number].encode()
        self.buffer = b""
        self.again = False
        self.done = asyncio.get_running_loop().create_future()

    def deal(self) -> None:
        """The next one, or the end."""
        token = next(self.seen.deck, None)
        if token is None:
            self.seen.until = 0
        else:
            self.carry(token.encode())

    def carry(self, token: bytes) -> None:
        self.token, self.body = token, self.template.replace(b"TOKEN", token)

    async def connect(self) -> None:
        self.sent_at = time.perf_counter()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", self.job.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one by shape, not by class
        self.send()

    def send(self) -> None:
        head = self.head.replace(b"TOKEN", self.token) if self.job.headers else self.head
        self.transport.write(b"%b%d\r\n\r\n%b" % (head, len(self.body), self.body))

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        split = self.buffer.find(b"\r\n\r\n")
        if split < 0:
            return
        head = self.buffer[:split].lower()
        if len(self.buffer) >= split + 4 + content_length(head):
            self.again = b"\r\nconnection: close" in head
            self.answered(int(head[9:12]), self.buffer[split + 4 :])

    def answered(self, status: int, body: bytes) -> None:
        now = time.perf_counter()
        self.buffer = b""
        self.seen.statuses[status] += 1
        if status == 200:
            self.seen.latencies.append(now - self.sent_at)
            if self.job.refreshing:
                self.carry(successor(body, self.field))
        if self.job.deck:
            self.deal()
        if now >= self.seen.until:
            self.again = False
        if self.again or now >= self.seen.until:
            self.transport.close()
        else:
            self.sent_at = now
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.again:
            self.connecting = asyncio.create_task(self.connect())
            self.connecting.add_done_callback(self.connected)
        elif not self.done.done():
            self.done.set_result(exc)

    def connected(self, task: asyncio.Task[None]) -> None:
        if (problem := task.exception()) and not self.done.done():
            self.done.set_exception(problem)


class Seen:
    """What all connections count together."""

    def __init__(self, until: float, deck: list[str]) -> None:
        self.until = until
        self.deck = iter(deck)
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []


def content_length(head: bytes) -> int:
    """The length that the answer's head announces; the head is in lower case."""
    _, _, after = head.partition(b"\r\ncontent-length:")
    return int(after.partition(b"\r\n")[0])


def successor(body: bytes, field: bytes) -> bytes:
    """The refresh token in a token answer, found without parsing JSON; `field` with its quotes and colon."""
    at = body.index(b'"', body.index(field) + len(field)) + 1
    return body[at : body.index(b'"', at)]


async def run(job: Job) -> Result:
    """Play the job to its end."""
    started, cpu = time.perf_counter(), time.process_time()
    seen = Seen(started + job.seconds, job.deck)
    talks = [Talk(job, number, seen) for number in range(len(job.networks))]
    for talk in talks:
        await talk.connect()
    await asyncio.gather(*(talk.done for talk in talks))
    return Result(
        time.perf_counter() - started,
        dict(seen.statuses),
        seen.latencies,
        time.process_time() - cpu,
        [talk.body.decode() for talk in talks],
        [talk.token.decode() for talk in talks],
    )


if __name__ == "__main__":
    result = uvloop.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(result))
    sys.stdout.buffer.flush()
