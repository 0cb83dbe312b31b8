"""What the client needs, and what it makes of what is there."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        (["httpx", "httpx2"], "Misuse"),
        (["httpx2"], "['httpx']"),
        (["httpx"], "['httpx2']"),
        ([], "['httpx', 'httpx2']"),
    ],
)
def test_one_class_is_what_is_installed(absent: list[str], expected: str) -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from jotgate import ClientSession, TokenAuth
from jotgate.errors import Misuse
try:
    TokenAuth(ClientSession.from_tokens("https://auth.example.com", "token"))
except Misuse:
    print("Misuse")
else:
    print(sorted(one.__module__.partition(".")[0] for one in TokenAuth.__mro__ if one.__name__ == "Auth"))
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == expected


def test_a_session_needs_nothing_but_the_base_install() -> None:
    absent = ["httpx", "httpx2", "requests", "aiohttp", "starlette", "jotgate.server", "jotgate.guard"]
    code = f"from jotgate import ClientSession\nimport sys\nassert not {{*{absent!r}}} & {{*sys.modules}}"

    subprocess.run([sys.executable, "-c", code], check=True)
