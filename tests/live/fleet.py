"""Guards in processes of their own, and when each of them took a token for the last time.

`python -m tests.live.fleet ISSUER OPTIONS` is one of them: it reads a word and a token a line, and answers in a line.

    word     answer
    -----    -----------------------------------------------------------------------------------
    ask      the code of the refusal, or "good"
    watch    "watching" once it has taken the token; then, when it refuses it, the instant of the
             last time that it took it, on the clock that all processes share, and the code
    news     what `guard.status()` says of the news, and the entries it knows
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jotgate import Guard
from jotgate.errors import JotgateError

GLANCE_SECONDS = 0.004  # between two looks at a token that is watched
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a watch ended."""

    last_taken_at: float
    code: str


class Member:
    """A guard in a process of its own."""

    def __init__(self, issuer: str, options: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.live.fleet", issuer, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def say(self, word: str, token: str = "-") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word} {token}\n")

    def hear(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process has ended"
        return line.strip()


class Fleet:
    """Many of them."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members

    def ask(self, token: str) -> list[str]:
        return self._each("ask", token)

    def news(self) -> list[tuple[str, int]]:
        return [(state, int(count)) for state, count in (line.split() for line in self._each("news"))]

    def watch(self, token: str) -> None:
        """From now on all of them look at it again and again; each has taken it once."""
        assert set(self._each("watch", token)) == {"watching"}

    def refusals(self) -> list[Refusal]:
        """Waits until all of them refuse it."""
        heard = [member.hear().split() for member in self.members]
        return [Refusal(float(instant), code) for instant, code in heard]

    def _each(self, word: str, token: str = "-") -> list[str]:
        for member in self.members:
            member.say(word, token)
        return [member.hear() for member in self.members]


@contextmanager
def fleet(issuer: str, size: int, **options: Any) -> Iterator[Fleet]:
    """So many guards with these options; they are gone at the end."""
    members = [Member(issuer, options) for _ in range(size)]
    try:
        yield Fleet(members)
    finally:
        for member in members:
            member.process.kill()
        for member in members:
            member.process.communicate()


# --- one of them


def _serve(guard: Guard) -> None:
    for line in sys.stdin:
        word, token = line.split()
        match word:
            case "ask":
                print(_verdict(guard, token), flush=True)
            case "watch":
                guard.verify(token)
                print("watching", flush=True)
                print(*_watched(guard, token), flush=True)
            case "news":
                status = guard.status()
                print(status.news, status.revocations, flush=True)


def _verdict(guard: Guard, token: str) -> str:
    try:
        guard.verify(token)
    except JotgateError as error:
        return error.code
    return "good"


def _watched(guard: Guard, token: str) -> tuple[float, str]:
    last_taken_at = time.monotonic()
    until = last_taken_at + PATIENCE_SECONDS
    while (code := _verdict(guard, token)) == "good":
        last_taken_at = time.monotonic()
        if last_taken_at > until:
            return last_taken_at, "still_good"
        time.sleep(GLANCE_SECONDS)
    return last_taken_at, code


if __name__ == "__main__":
    _serve(Guard(sys.argv[1], **json.loads(sys.argv[2])))
