"""The demonstrations: what they print works when it is pasted, line after line, and nothing is left when they end."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest

ROOT = Path(__file__).parents[1]
START_SECONDS, END_SECONDS = 60, 20
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("JOTGATE_")}
LAST_LINE = "# and by the other"
PROCESSES = 5  # issuer, members, attendance; payments is gunicorn and its worker

GYM = [sys.executable, "-m", "examples.gym"]
ONE_PROCESS = [sys.executable, "-m", "jotgate", "serve", "--demo", "--port", "0", "--data-dir"]


@contextmanager
def shown(command: list[str], last: str = LAST_LINE) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and what it has printed once it is ready."""
    # Where a shell has put the tests into the background SIGINT is ignored, and would be by all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=ROOT, env=CLEAN, stdout=subprocess.PIPE, text=True)
    try:
        yield process, _printed(process, last)
    finally:
        process.terminate()
        process.wait(END_SECONDS)
        assert process.stdout is not None
        process.stdout.close()


def _printed(process: subprocess.Popen[str], last: str) -> str:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith(last):
            return text + process.stdout.readline()
    raise AssertionError(f"it ended with {process.wait()} after:\n{text}")


def pasted(text: str) -> tuple[list[int], list[int]]:
    """Paste all lines into a shell; the statuses that were promised, and those that came."""
    lines = text[text.index("# takes one field") :]
    promised = [int(status) for status in re.findall(r"^#.* -> (\d{3})$", lines, re.MULTILINE)]
    done = subprocess.run(
        ["bash", "-eu"], input=lines, capture_output=True, text=True, timeout=60, check=False, env=CLEAN
    )
    assert done.returncode == 0, done.stderr
    return promised, [int(status) for status in re.findall(r" (\d{3})$", done.stdout, re.MULTILINE)]


@pytest.mark.parametrize("where", ["gym", "one process"])
def test_the_printed_lines_answer_what_they_say(where: str, tmp_path: Path) -> None:
    command = GYM if where == "gym" else [*ONE_PROCESS, str(tmp_path / "data")]

    with shown(command) as (_process, text):
        promised, came = pasted(text)

    assert came == promised
    assert {200, 204, 401, 403} <= set(promised)


@pytest.mark.parametrize("profile", ["stateless", "classic", "camel"])
def test_the_lines_fit_the_profile(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLEAN, "JOTGATE_PROFILE", profile)
    last = {"camel": LAST_LINE}.get(profile, "# with a tampered token")

    with shown([*ONE_PROCESS, str(tmp_path / "data")], last) as (_process, text):
        promised, came = pasted(text)

    assert came == promised


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_gym_leaves_nobody_behind(sign: signal.Signals) -> None:
    with shown(GYM) as (process, _text):
        children = psutil.Process(process.pid).children(recursive=True)

        process.send_signal(sign)
        code = process.wait(END_SECONDS)
        _, alive = psutil.wait_procs(children, timeout=END_SECONDS)

    assert len(children) == PROCESSES
    assert not alive
    assert code == (0 if sign != signal.SIGKILL else -signal.SIGKILL)


def test_attendance_asks_members_in_the_name_of_its_caller() -> None:
    with shown(GYM) as (_process, text), httpx2.Client() as client:
        auth, attendance = (re.search(rf"^ +{name} +(\S+)$", text, re.MULTILINE) for name in ("issuer", "attendance"))
        login = re.search(r'(\{"email": "bob@[^}]+\})', text)
        assert auth
        assert attendance
        assert login
        issued = client.post(f"{auth[1]}/auth/login", json=json.loads(login[1])).json()
        as_bob = {"Authorization": f"Bearer {issued['access_token']}"}
        seen = client.get(attendance[1], headers=as_bob)
        unseen = [client.get(attendance[1]), client.get(attendance[1], headers={"Authorization": "Bearer no.to.ken"})]

    assert (seen.status_code, [member["name"] for member in seen.json()]) == (200, ["Ada", "Bob"])
    assert seen.json()[1] == {"name": "Bob", "since": 2024, "visits": ["2026-11-04"]}
    assert [answer.status_code for answer in unseen] == [401, 401]
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in unseen)


def test_a_second_gym_takes_other_ports() -> None:
    with shown(GYM) as (_first, one), shown(GYM) as (_second, other):
        issuers = [re.search(r"issuer +(\S+)", text) for text in (one, other)]

    assert issuers[0]
    assert issuers[1]
    assert issuers[0][1] != issuers[1][1]


def test_a_service_that_dies_ends_the_gym_and_is_named() -> None:
    with shown(GYM) as (process, _text):
        payments = next(
            child for child in psutil.Process(process.pid).children() if "examples.gym.payments:app" in child.cmdline()
        )

        payments.kill()

        assert process.wait(END_SECONDS) == 1


def test_the_demonstration_comes_again_with_new_passwords(tmp_path: Path) -> None:
    command = [*ONE_PROCESS, str(tmp_path / "data")]

    with shown(command) as (_first, one):
        pass
    with shown(command) as (_second, other):
        promised, came = pasted(other)

    assert came == promised
    assert re.findall(r'"password": "([^"]+)"', one) != re.findall(r'"password": "([^"]+)"', other)


def test_the_demonstration_stays_out_of_an_installation_that_is_used(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    add = ["user", "add", "--email", "eve@example.org", "--generate-password", "--data-dir", data]
    subprocess.run([sys.executable, "-m", "jotgate", *add], env=CLEAN, check=True, capture_output=True)

    done = subprocess.run(
        [*ONE_PROCESS, data], env=CLEAN, capture_output=True, text=True, timeout=START_SECONDS, check=False
    )

    assert done.returncode == 1
    assert "there are users of your own here" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of a parent's death on Linux alone")
def test_the_gym_ends_with_make() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'examples.gym', '--end-with-parent'])"
    with shown([sys.executable, "-c", script]) as (make, _text):
        family = psutil.Process(make.pid).children(recursive=True)

        make.kill()
        make.wait(END_SECONDS)
        _, alive = psutil.wait_procs(family, timeout=END_SECONDS)

    assert len(family) == 1 + PROCESSES
    assert not alive
