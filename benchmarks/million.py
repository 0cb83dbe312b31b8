"""A feed of a million live entries: what it takes of a guard's memory and time, and how long a restart is behind.

`python -m benchmarks.million ISSUER TOKEN` is the guard, in a process of its own: a word a line in, JSON a line out.

    word       answer
    -------    ---------------------------------------------------------------------------------------
    catch-up   from nothing to all of it: seconds, CPU, memory beyond what the guard took before
    again      the same for the next snapshot that replaces it
    checks     CPU seconds of a check: remembered, remembered with news since, looked for in all news
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks import bulk
from benchmarks.measure import interleave
from benchmarks.report import Row, at_most
from jotgate import Guard
from jotgate.guard.revoked import Revoked
from tests.live.process import Server, serving

ENTRIES, QUICK_ENTRIES = 1_000_000, 100_000
CATCH_UP_SECONDS, MEGABYTES, REMEMBERED_SECONDS = 10.0, 60.0, 0.5e-6
PASSWORD = "a long enough passphrase"


def measure(*, quick: bool) -> list[Row]:
    """All rows of this part."""
    entries = QUICK_ENTRIES if quick else ENTRIES
    with TemporaryDirectory() as home, serving(Path(home)) as server:
        with server.api() as api:
            api.register("bench@example.com", PASSWORD)
            token = api.login("bench@example.com", PASSWORD)["access_token"]
        bulk.lengthen(server.data_dir / "jotgate.db", entries)
        _wait_until_told(server, token)
        return _rows(server, token, entries)


def _rows(server: Server, token: str, entries: int) -> list[Row]:
    database = server.data_dir / "jotgate.db"
    task = f"a feed of {entries:,} entries"
    guard = _Apart(server.url, token)
    try:
        first = guard.say("catch-up")
        checks = guard.say("checks")
        same = guard.say("again", lambda: bulk.begin_anew(database))
        other = guard.say("again", lambda: bulk.replace(database))
    finally:
        guard.process.kill()
        guard.process.communicate()
    assert first["entries"] == same["entries"] == other["entries"] == entries
    return [
        _time_row(task, "restart", first),
        _memory_row(task, "memory, at most", first["peak"], limit=MEGABYTES),
        Row(task, "the same in another feed", same["cpu"], same["wall"], note="a snapshot replaces it"),
        _memory_row(task, "memory, at most", same["peak"], limit=MEGABYTES),
        Row(task, "as many others", other["cpu"], other["wall"], note="until its last page both are known"),
        _memory_row(task, "memory, at most", other["peak"]),
        Row(
            task,
            "remembered token",
            checks["remembered"],
            goal=at_most("at most {limit:.1f} us ({value:.3f})", checks["remembered"] * 1e6, REMEMBERED_SECONDS * 1e6),
        ),
        Row(task, "the same, news since", checks["news"]),
        Row(task, "the same, many news since", checks["all"]),
    ]


def _time_row(task: str, who: str, said: dict[str, float]) -> Row:
    goal = at_most("at most {limit:.0f} s ({value:.1f})", said["wall"], CATCH_UP_SECONDS)
    return Row(task, who, said["cpu"], said["wall"], goal=goal)


def _memory_row(task: str, who: str, peak: float, *, limit: float | None = None) -> Row:
    goal = None if limit is None else at_most("at most {limit:.0f} MB ({value:.1f})", peak, limit)
    return Row(task, who, note=f"{peak:.1f} MB", goal=goal)


def _wait_until_told(server: Server, token: str) -> None:
    """The server looks every 200 ms for what others wrote."""
    deadline = time.monotonic() + 30
    with server.api() as api:
        while not api.get("/revocations").json["more"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert api.get("/auth/me", headers={"Authorization": f"Bearer {token}"}).status == 200


class _Apart:
    """The guard's process."""

    def __init__(self, issuer: str, token: str) -> None:
        command = [sys.executable, "-m", "benchmarks.million", issuer, token]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._hear() == "ready"

    def say(self, word: str, meanwhile: Callable[[], None] | None = None) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        if meanwhile is not None:
            assert self._hear() == "waiting"
            meanwhile()
        return self._hear()

    def _hear(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


# --- in its process


def _guard(issuer: str, token: str) -> None:
    guard = Guard(issuer)
    before = psutil.Process().memory_info().rss
    _print("ready")
    for line in sys.stdin:
        match line.strip():
            case "catch-up":
                _print(_timed(lambda: _catch_up(guard, token), before=before) | {"entries": guard.status().revocations})
            case "again":
                _print("waiting")
                _print(_timed(lambda: _replaced(guard), before=before) | {"entries": guard.status().revocations})
            case "checks":
                _print(_checks(guard, token))


def _print(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def _timed(work: Callable[[], None], *, before: int) -> dict[str, float]:
    """`peak`: megabytes beyond `before`, the highest of the whole process."""
    wall, cpu = time.monotonic(), time.process_time()
    work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    return {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu, "peak": peak / 2**20}


def _catch_up(guard: Guard, token: str) -> None:
    guard.verify(token)
    while guard.status().news != "open":
        time.sleep(0.02)


def _replaced(guard: Guard) -> None:
    revoked = _revoked(guard)
    incarnation = str(revoked.cursor).partition(".")[0]
    while str(revoked.cursor).startswith(incarnation) or revoked._is_partial:  # noqa: SLF001  # what is measured
        time.sleep(0.02)


def _checks(guard: Guard, token: str) -> dict[str, float]:
    revoked, courier = _revoked(guard), guard._courier  # noqa: SLF001  # news are played here, none are sent
    assert courier is not None
    at_hand = revoked._recent  # noqa: SLF001
    verify, restamp = guard.verify, courier._restamp  # noqa: SLF001

    def after_news() -> None:
        restamp()
        verify(token)

    def after_many_news() -> None:
        revoked._recent = (revoked.heard + 1, set())  # noqa: SLF001
        restamp()
        verify(token)
        revoked._recent = at_hand  # noqa: SLF001

    found = interleave({"remembered": lambda: verify(token), "news": after_news, "all": after_many_news}, rounds=101)
    return {name: sample.cpu for name, sample in found.items()}


def _revoked(guard: Guard) -> Revoked:
    known = guard._known.revoked  # noqa: SLF001
    assert known is not None
    return known


if __name__ == "__main__":
    _guard(*sys.argv[1:])
