"""The gym opens: issuer and three services in processes of their own, and curl lines to paste. Ctrl-C closes it.

Everything here is what an operator would do by hand: start `jotgate serve`, make roles and users with the command line,
start services that know nothing of the issuer but its URL.
"""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from jotgate.cli.demo.lines import PEOPLE, ROLES, Stage, text
from jotgate.core.policy import policy_for

ROOT = Path(__file__).parents[2]
PORTS = {"issuer": 8000, "members": 8001, "payments": 8002, "attendance": 8003}
START_SECONDS, END_SECONDS = 20, 8
TRIES = 3
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Open, show, wait."""
    if "--end-with-parent" in sys.argv:
        end_with_parent()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        for _ in range(TRIES - 1):
            with contextlib.suppress(EndedError):  # somebody took the port between our look and our start
                return run()
        return run()
    except EndedError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe gym is closed.")
        return 0


def run() -> int:
    """In a folder that goes with us."""
    with tempfile.TemporaryDirectory(prefix="jotgate-gym-") as folder, contextlib.ExitStack() as closing:
        house = House(Path(folder), closing)
        stage = opened(house, Path(folder))
        print(greeting(stage), text(stage), sep="\n", flush=True)
        try:
            house.watch()
        except EndedError as error:
            print(error, file=sys.stderr)
            return 1


def opened(house: "House", folder: Path) -> Stage:
    """Issuer, services, people."""
    urls = {name: f"http://127.0.0.1:{port}" for name, port in free_ports().items()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JOTGATE_")}
    issuing = clean | {"JOTGATE_DATA_DIR": str(folder / "data"), "JOTGATE_PORT": urls["issuer"].rpartition(":")[2]}
    guarding = clean | {"JOTGATE_ISSUER": urls["issuer"]}
    house.start("issuer", ["jotgate", "serve"], issuing)
    services = {name: f"{urls[name]}/{name}" for name in ("members", "payments", "attendance")}
    for name in services:
        house.start(name, served(name, urls[name]), guarding | {"MEMBERS_URL": services["members"]})
    house.wait_for(f"{urls['issuer']}/readyz", *(f"{urls[name]}/healthz" for name in services))
    return Stage(policy_for(urls["issuer"]), passwords=people(issuing), **services)


def served(name: str, url: str) -> list[str]:
    """Flask is WSGI, the others are ASGI."""
    where, app = url.removeprefix("http://"), f"examples.gym.{name}:app"
    if name == "payments":
        return ["gunicorn", app, "--bind", where, "--threads", "4", "--no-control-socket", "--log-level", "warning"]
    return ["uvicorn", app, "--port", where.rpartition(":")[2], "--log-level", "warning"]


def people(environ: Mapping[str, str]) -> dict[str, str]:
    """Roles and users, by the command line, beside the running issuer."""
    passwords = {email: secrets.token_urlsafe(12) for email in PEOPLE}
    for role, permissions in ROLES.items():
        jotgate(environ, "role", "set", role, *permissions)
    for email, (name, role) in PEOPLE.items():
        add = ("user", "add", "--email", email, "--name", name, "--role", role, "--password-stdin")
        jotgate(environ, *add, given=passwords[email])
    return passwords


def jotgate(environ: Mapping[str, str], *arguments: str, given: str = "") -> None:
    command = [sys.executable, "-m", "jotgate", *arguments]
    subprocess.run(command, env=environ, input=given, text=True, check=True, stdout=subprocess.DEVNULL)


def greeting(stage: Stage) -> str:
    rows = [("issuer", stage.policy.issuer), ("members", stage.members), ("payments", stage.payments)]
    rows += [("attendance", stage.attendance)]
    rows += [(email, f"{PEOPLE[email][1]}, password {password}") for email, password in stage.passwords.items()]
    width = max(len(name) for name, _ in rows)
    lines = "\n".join(f"  {name.ljust(width)}  {what}" for name, what in rows)
    return f"The gym is open; Ctrl-C closes it.\n\n{lines}\n\nPaste these lines one after another:\n"


class EndedError(Exception):
    """A process that should run has ended."""


class House:
    """The processes, which all end with this one."""

    def __init__(self, folder: Path, closing: contextlib.ExitStack) -> None:
        self.folder = folder
        self.closing = closing
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, module: list[str], environ: Mapping[str, str]) -> None:
        """In a session of its own: Ctrl-C reaches only us, and we end the others in order."""
        log = self.closing.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=environ, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, preexec_fn=end_with_parent,  # noqa: PLW1509 - there is one thread
        )  # fmt: skip
        self.running[name] = process
        self.closing.callback(end, process)

    def wait_for(self, *urls: str) -> None:
        """Until all of them answer."""
        deadline = time.monotonic() + START_SECONDS
        for url in urls:
            while not answers(url):
                self.complain_about_the_dead()
                if time.monotonic() > deadline:
                    raise EndedError(f"{url} does not answer")
                time.sleep(0.02)

    def watch(self) -> NoReturn:
        """Until somebody ends."""
        while True:
            self.complain_about_the_dead()
            time.sleep(0.2)

    def complain_about_the_dead(self) -> None:
        for name, process in self.running.items():
            if process.poll() is not None:
                log = (self.folder / f"{name}.log").read_text("utf-8", "replace")
                raise EndedError(f"{name} has ended with exit code {process.returncode}:\n{log}")


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def free_ports() -> dict[str, int]:
    """The usual ones, or others where somebody sits."""
    with contextlib.ExitStack() as held:
        return {name: held.enter_context(listener(port)) for name, port in PORTS.items()}


@contextlib.contextmanager
def listener(port: int) -> Iterator[int]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def end_with_parent() -> None:
    """Linux ends us when our parent is killed, however it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
